"""One file a section: `measure(task)` measures until it is over or its time is, and keeps each row at once."""
