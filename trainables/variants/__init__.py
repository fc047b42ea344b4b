"""One technique a file; recipes in experiment files are data that name them."""
