"""What a person sees in a terminal: plain text, the live table, and how a sweep ended.

Start with `console.py`: data goes to stdout, progress to stderr. May import `analysis`, and everything in
`orchestrator` from `commands` down.
"""
