"""`python -m orchestrator` is `orchestrate`: for when the script is not on the path."""

from orchestrator.cli import main

main(prog_name="orchestrate")
