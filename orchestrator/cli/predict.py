"""The commands `predict` (use a saved run on new text) and `export` (write it as a Hugging Face folder)."""

from __future__ import annotations

import sys
from typing import Any

import click

from orchestrator.cli import options as options
from orchestrator.cli.session import command
from orchestrator.console.console import Console, clean, table
from orchestrator.units import plural, size


@click.command()
@click.argument("run", metavar="RUN|FOLDER")
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--file", metavar="FILE", help="Texts or items, read as the run's data were; .txt: one text per line.")
@click.option("--format", metavar="FORMAT", help="Format of --file (csv, tsv, conll, text ...), if its name misleads.")
@click.option(
    "--columns",
    multiple=True,
    metavar="FIELD=COLUMN",
    help="Column of --file (name or number) that holds a field, e.g. text=review; repeatable.",
)
@click.option("--data", metavar="NAME|PATH", help="A data set, as in an experiment file; its labels are ignored.")
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME=TEXT",
    help="Another field of every text, e.g. context=...; repeatable.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Use only the first N items of a file or data set."
)
@click.option("--to", metavar="FILE", help="Write to this .csv, .jsonl or .parquet file instead of stdout.")
@click.option("--task", metavar="FILE.py", help="The Python file of the run's task, if it is not built in.")
@click.option(
    "--trust-remote-code",
    "code",
    metavar="OWNER/NAME@COMMIT",
    help="Let the model run the code of this hub repository, as it is at this commit.",
)
@click.option("--submission", is_flag=True, help="Write a competition's format: only ids and predictions.")
@options.out_option
@options.json_option
@command
def predict(console: Console, run: str, out: str | None, to: str | None, submission: bool, **values: Any) -> None:
    """Predict with a run that saved its weights (`save: best`). RUN is a run's id or system:seed, or a folder.

    The hashes of a folder are checked, and no code that it holds or names is run unless an option allows it.
    """
    from orchestrator.commands import predict as predicting

    if to is not None:
        predicting.check_target(to)
    format_ = "csv" if to is None or submission else predicting.format_of(to)
    request = predicting.PredictionRequest(
        texts=values["texts"],
        file=values["file"],
        data=values["data"],
        fields=tuple(_pair(text, "--field must be NAME=TEXT") for text in values["fields"]),
        limit=values["limit"],
        format=values["format"],
        columns=tuple(_pair(text, "--columns must be FIELD=COLUMN") for text in values["columns"]),
    )
    allowed = predicting.AllowedCode(values["task"], _code(values["code"]))
    folder = predicting.weights_of(run, out)
    predictions = predicting.predict(folder, request, submission=submission, allowed=allowed)
    frame = predictions.table
    for text in predictions.warnings:
        console.warning(text)
    content = predictions.submission if predictions.submission is not None else predicting.rendered(frame, format_)
    if to is not None:
        predicting.save(to, content)
        console.note(f"{plural(len(frame), 'prediction')}: {to}")
        if console.as_json:
            console.document({"file": to, "count": len(frame), "warnings": list(predictions.warnings)})
    elif console.as_json:
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        console.document({"predictions": rows, "warnings": list(predictions.warnings)})
    else:
        click.echo(clean(content.decode()) if sys.stdout.isatty() else content, nl=False)


def _code(written: str | None) -> Any:
    from trainables.modeling.remote_code import HubCode

    try:
        return None if written is None else HubCode.parse(written)
    except ValueError as error:
        raise click.UsageError(f"--trust-remote-code {error}") from error


def _pair(written: str, rule: str) -> tuple[str, str]:
    name, separator, value = written.partition("=")
    if not separator or not name:
        raise click.UsageError(f"{rule}, got {written!r}")
    return name, value


@click.command()
@click.argument("run")
@click.option("--to", metavar="DIR|hub:NAME", help="Target: a directory, or a repository on the hub (needs HF_TOKEN).")
@options.out_option
@options.json_option
@command
def export(console: Console, run: str, out: str | None, to: str | None) -> None:
    """Write a run's saved weights, tokenizer and model card to a folder. RUN: the start of its id, or system:seed."""
    from orchestrator.commands.export import export as write

    exported = write(run, out, to)
    if console.as_json:
        files = [{"name": name, "bytes": count} for name, count in exported.files.items()]
        console.document({"folder": exported.folder, "address": exported.address, "files": files})
        return
    console.note(f"wrote {plural(len(exported.files), 'file')}, {size(sum(exported.files.values()))}:")
    console.note(table(("file", "size"), [(name, size(count)) for name, count in exported.files.items()]))
    console.data(exported.folder)
    if exported.address is not None:
        console.data(exported.address)
