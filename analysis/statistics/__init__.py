"""One statistical test a file; each exports TEST."""
