"""One task a file, each exporting TASK."""
