"""What people see: plain text, the live table, and the end of a sweep in words."""
