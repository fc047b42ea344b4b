"""The figures of a report: one a file, each exporting one constant, `FIGURE`; its `rank` is its place in the report."""
