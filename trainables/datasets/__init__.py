"""One data set a file, each exporting DATASET."""
