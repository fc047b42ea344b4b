"""A cluster of many machines: looks at its file, starts and ends it, sends sweeps to it and follows them."""
