"""The command `export`: a saved run as a Hugging Face folder with a model card."""

from __future__ import annotations

import click

from orchestrator.cli import options as options
from orchestrator.cli.session import command
from orchestrator.console.console import Console, table
from orchestrator.units import plural, size


@click.command()
@click.argument("run")
@click.option(
    "--to", metavar="DIR|hub:NAME", help="Where to: a directory, or a repository on the hub (needs HF_TOKEN)."
)
@options.out_option
@options.json_option
@command
def export(console: Console, run: str, out: str | None, to: str | None) -> None:
    """Write a run's saved weights, tokenizer and model card to a folder. RUN: its id's beginning, or system:seed."""
    from orchestrator.commands.export import export as write

    found = write(run, out, to)
    if console.as_json:
        files = [{"name": name, "bytes": count} for name, count in found.files.items()]
        console.document({"folder": found.folder, "address": found.address, "files": files})
        return
    console.note(f"wrote {plural(len(found.files), 'file')}, {size(sum(found.files.values()))}:")
    console.note(table(("file", "size"), [(name, size(count)) for name, count in found.files.items()]))
    console.data(found.folder)
    if found.address is not None:
        console.data(found.address)
