"""The command line's verbs for Python; `import orchestrator` exports every public name of this file.

The examples run in a folder with an experiment file; `docs/python.md` goes through them from the start. An experiment
can be given as an `Experiment`, as a built-in name, or as the path of its file. UserError and its subclasses say what
is wrong with settings, results or the machine; DataError and ModelError say what is wrong with data or a model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar, Unpack

from orchestrator import html_tables
from orchestrator.config import load
from orchestrator.config.experiment import render_seeds
from orchestrator.config.loaded import Loaded
from orchestrator.config.overrides import Changes
from orchestrator.config.plain_values import document_of
from orchestrator.config.run_spec import system_name
from orchestrator.errors import CorruptResults, UserError

if TYPE_CHECKING:
    from orchestrator.commands.analyze import AnalyzeResult
    from orchestrator.commands.events import Listener
    from orchestrator.commands.export import Exported
    from orchestrator.commands.plan import SweepPlan
    from orchestrator.commands.predict import Predictions
    from orchestrator.commands.results import RecordedRuns
    from orchestrator.commands.search import SearchResult
    from orchestrator.commands.sweep import SweepOptions, SweepResult
    from orchestrator.config.resolve import ResolvedExperiment

Parameters = ParamSpec("Parameters")
Value = TypeVar("Value")


class ExperimentChanges(TypedDict, total=False):
    """What can be changed when an experiment is loaded; `load_experiment` describes these keywords."""

    models: Sequence[str] | None
    recipes: Sequence[str] | None
    seeds: Iterable[int] | str | None
    data: str | Path | None
    limit: int | None
    settings: Mapping[str, Any] | None
    run_code: bool


@dataclass(frozen=True, repr=False)
class Experiment(Loaded):
    """What to compute and compare: data, models, recipes, seeds. Made by `load` or `from_dict`, and never changed.

    >>> experiment = Experiment.load("experiment.yaml", seeds=[1, 2])
    >>> experiment
    Experiment('tiny': 2 systems, seeds 1-2)
    >>> experiment.systems
    ('small', 'smaller')

    `experiment` holds every setting, with defaults filled in; `document` is what was written, and relative paths start
    at `folder`.
    """

    @classmethod
    def load(cls, name_or_path: str | Path, **changes: Unpack[ExperimentChanges]) -> Experiment:
        """Read a built-in experiment or a file, with changes (see `load_experiment`).

        >>> Experiment.load("experiment.yaml", settings={"train.epochs": 3}).experiment.train.epochs
        3

        Raises InvalidExperiment, with every error and its line; UserError if there is no such experiment.
        """
        return load_experiment(name_or_path, **changes)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, base: str | Path | None = None) -> Experiment:
        """Make an experiment from a mapping with the keys of an experiment file. Equal content gives equal run ids.

        Relative paths start at `base`, by default the working directory. Lists may be tuples or ranges, and paths may
        be `Path`s.

        >>> small = Experiment.from_dict(
        ...     {
        ...         "experiment": "small-only",
        ...         "task": "token_classification",
        ...         "data": {"path": "items.jsonl"},
        ...         "models": {"small": {"path": "model"}},
        ...         "seeds": range(3),
        ...     }
        ... )
        >>> small.seeds
        (0, 1, 2)

        Raises InvalidExperiment with every error of every key.
        """
        document = document_of(content, "Experiment.from_dict")
        folder = Path.cwd() if base is None else Path(base).expanduser().absolute()
        return cls(load.validate(document), document, folder)

    @property
    def name(self) -> str:
        """The experiment's name; its results go to `results/<name>`."""
        return self.experiment.experiment

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, in the order of the file."""
        return self.experiment.seeds

    @property
    def systems(self) -> tuple[str, ...]:
        """The names of the systems that are compared: every model with every recipe."""
        return tuple(
            system_name(model, recipe) for recipe in self.experiment.recipes for model in self.experiment.models
        )

    def to_dict(self) -> dict[str, Any]:
        """Return every setting as plain values, with defaults filled in; `from_dict` reads them."""
        return self.experiment.model_dump(mode="json")

    def __repr__(self) -> str:
        """Return the name and the size of the grid."""
        return f"Experiment({self.name!r}: {len(self.systems)} systems, seeds {render_seeds(self.seeds)})"

    def _repr_html_(self) -> str:
        rows = [[system, render_seeds(self.seeds)] for system in self.systems]
        question = f": {self.experiment.question}" if self.experiment.question else ""
        return html_tables.paragraph(f"{self.name}{question}") + html_tables.table(["system", "seeds"], rows)


def load_experiment(
    name_or_path: str | Path,
    *,
    models: Sequence[str] | None = None,
    recipes: Sequence[str] | None = None,
    seeds: Iterable[int] | str | None = None,
    data: str | Path | None = None,
    limit: int | None = None,
    settings: Mapping[str, Any] | None = None,
    run_code: bool = False,
) -> Experiment:
    """Read a built-in experiment or a file; the keywords change it as the command line's options do.

    `settings` maps dotted keys to values: `{"train.epochs": 2}`. With `run_code`, the experiment file of a results
    directory may run the Python files that it names.

    >>> load_experiment("experiment.yaml", models=["small"], seeds="1-5").systems
    ('small',)

    Raises InvalidExperiment, with every error and its line; UserError if there is no such experiment.
    """
    changes = Changes(
        models=None if models is None else tuple(models),
        recipes=None if recipes is None else tuple(recipes),
        seeds=seeds if isinstance(seeds, str) or seeds is None else render_seeds(seeds),
        data=None if data is None else str(data),
        limit=limit,
        values=dict(settings or {}),
    )
    loaded = load.load(str(name_or_path), changes, run_code=run_code)
    return Experiment(loaded.experiment, loaded.document, loaded.folder, loaded.may_run_code)


def _reports_damage(verb: Callable[Parameters, Value]) -> Callable[Parameters, Value]:
    """Turn the Corrupt of `analysis.tables`, which knows no UserError, into CorruptResults."""

    @functools.wraps(verb)
    def reporting(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Value:
        from analysis.tables.schema import Corrupt

        try:
            return verb(*args, **kwargs)
        except Corrupt as error:
            raise CorruptResults(str(error)) from error

    return reporting


@_reports_damage
def plan(
    experiment: Loaded | str | Path,
    *,
    out: str | Path | None = None,
    lanes: int | None = None,
    power: bool = False,
    spread: float | None = None,
    show_data: bool = True,
) -> SweepPlan:
    """Return what a sweep would do and what it could decide. Starts nothing and writes nothing.

    `out` and `lanes` are those of a sweep. `power` adds which differences these seeds can show, estimated from the runs
    so far or from `spread`, the standard deviation of a difference over seeds. `show_data` says how the data is read.

    >>> planned = plan("experiment.yaml", out="elsewhere", spread=0.02)
    >>> planned.runs, len(planned.pending), planned.data.items
    (4, 4, 24)
    >>> planned.reach.method, planned.reach.comparisons
    ('multi_bootstrap', 1)

    Raises UserError for what would also stop the sweep, and for `power` when nothing is known about the spread;
    CorruptResults for damaged results.
    """
    from orchestrator.commands.plan import plan as make_plan
    from orchestrator.commands.plan import with_power

    resolved = _resolved(experiment, must_be_available=False)
    planned = make_plan(resolved, out=None if out is None else str(out), lanes=lanes, show_data=show_data)
    return with_power(planned, spread) if power or spread is not None else planned


@_reports_damage
def sweep(
    experiment: Loaded | str | Path, options: SweepOptions | None = None, *, on_event: Listener | None = None
) -> SweepResult:
    """Execute every cell of the grid that has no record yet. Call it again to resume, and from the main thread only.

    `options` says where results go and how runs are executed, by default on a Ray cluster. `on_event` is called with
    each event as it happens (`orchestrator/commands/events.py`), one at a time.

    >>> from orchestrator import LayoutOptions, SweepOptions
    >>> here = SweepOptions(out="results/tiny", layout=LayoutOptions(in_process=True))
    >>> swept = sweep("experiment.yaml", here)
    >>> swept.finished, swept.status.counts["total"]
    (True, 4)
    >>> sweep("experiment.yaml", here).ran
    0

    A failed run raises nothing: `status` counts it, and `exit_code` is what the command would end with.
    Raises UserError for what stops a sweep: InvalidExperiment, LockedBySweep, CorruptResults, EnvironmentProblem.
    """
    from orchestrator.commands.events import ignore
    from orchestrator.commands.sweep import SweepOptions
    from orchestrator.commands.sweep import sweep as execute

    return execute(_resolved(experiment), options or SweepOptions(), on_event or ignore)


@_reports_damage
def search(
    experiment: Loaded | str | Path, options: SweepOptions | None = None, *, on_event: Listener | None = None
) -> SearchResult:
    """Search for hyper-parameters with the budget of the experiment's `search`. Call it again to continue.

    `options` and `on_event` are those of `sweep`; also from the main thread only.

    >>> from orchestrator import LayoutOptions, SweepOptions
    >>> space = {"parameters": {"train.learning_rate": {"loguniform": [1e-4, 1e-2]}}, "trials": 2}
    >>> experiment = load_experiment("experiment.yaml", models=["small"], settings={"search": space})
    >>> searched = search(experiment, SweepOptions(out="searched", layout=LayoutOptions(in_process=True)))
    >>> searched.finished, searched.ran, list(searched.best["small"])
    (True, 2, ['train.learning_rate'])

    Raises UserError if the experiment has no `search`, and for what stops a sweep.
    """
    from orchestrator.commands.events import ignore
    from orchestrator.commands.search import search as execute
    from orchestrator.commands.sweep import SweepOptions

    return execute(_resolved(experiment), options or SweepOptions(), on_event or ignore)


@_reports_damage
def results(where: str | Path | None = None) -> RecordedRuns:
    """Read the runs of a results directory, even while a sweep writes to it: scores, settings, times and what is left.

    `where` is a directory or URI, or the name or file of an experiment with results under `results/`. None means the
    only results there.

    >>> recorded = results("results/tiny")
    >>> list(recorded.runs["system"])
    ['small', 'small', 'smaller', 'smaller']
    >>> recorded.runs["seed"].tolist()
    [1, 2, 1, 2]
    >>> recorded.status.counts["pending"]
    0

    Raises UserError if there are no results, or several; CorruptResults for damaged files.
    """
    from orchestrator.commands.results import recorded
    from orchestrator.storage.find_results import open_results

    return recorded(open_results(None if where is None else str(where)))


@_reports_damage
def analyze(
    *sources: str | Path,
    out: str | Path | None = None,
    compare: Mapping[str, Any] | None = None,
    score: str | None = None,
    system: str | Sequence[str] = (),
    seed: str | None = None,
    item: str | None = None,
    ignore: str | Sequence[str] = (),
    generator_seed: int = 0,
    figures: Sequence[str] = ("svg",),
) -> AnalyzeResult:
    """Compare the systems in results directories or tables, and write tables, figures and the report.

    A source is a results directory, a table with system, seed and score (or the export of another tool), or the name or
    file of an experiment. `compare` replaces keys of the experiment's; `generator_seed` is for resampling, `figures`
    are formats (svg, pdf, png). In tables of other tools, `score`, `system` (several are joined), `seed` and `item`
    name columns that are not called so; those of `ignore` may differ within a system.

    >>> compared = analyze("results/tiny", out="comparison", compare={"alpha": 0.1})
    >>> list(compared.verdicts.values()), compared.analysis.alpha
    (['undecidable'], 0.1)
    >>> list(compared.systems["n"])
    [2, 2]
    >>> compared.report
    'comparison/report.html'

    Raises UserError for sources that cannot be compared and an `out` that cannot be written, CorruptResults for damaged
    sources.
    """
    from analysis.tables.read import Columns
    from orchestrator.commands.analyze import analyze as compare_systems

    if not sources:
        raise UserError("nothing to analyse: name a results directory, a table or an experiment")
    named, folder = [str(source) for source in sources], None if out is None else str(out)
    columns = Columns.named(score, system, seed, item, ignore)
    return compare_systems(named, folder, compare, columns, generator_seed, figures)


@_reports_damage
def predict(
    model: str | Path,
    texts: str | Sequence[str] = (),
    *,
    file: str | Path | None = None,
    data: str | Path | None = None,
    format: str | None = None,
    columns: Mapping[str, str | int] | None = None,
    fields: Mapping[str, str] | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    task: str | Path | None = None,
    trust_remote_code: str | None = None,
) -> Predictions:
    """Predict with a saved model: a folder that `export` wrote, or a run with weights (its id, or `system:seed`).

    Give `texts`, a `file` or a data set (`data`). A file is read as the run's data were; `format` and `columns` (field
    to column) say what differs. `fields` are more fields of every text, e.g. a context; `limit` takes the first items
    of a file or data set; `out` is the results directory of the run. Code that comes with a model runs only if `task`
    (the Python file of its task) or `trust_remote_code` (OWNER/NAME@COMMIT) allows it.

    >>> predicted = predict("small:1", "The battery shall supply 28 V .", out="results/tiny")
    >>> list(predicted.table["word"])
    ['The', 'battery', 'shall', 'supply', '28', 'V', '.']
    >>> set(predicted.table["predicted"]) <= {"O", "Power", "Data"}
    True

    Raises UserError if there is no such model or nothing to predict; DataError and ModelError for what cannot be read;
    CorruptResults if the model's files have changed since they were written.
    """
    from orchestrator.commands import predict as predicting

    request = predicting.PredictionRequest(
        texts=(texts,) if isinstance(texts, str) else tuple(texts),
        file=None if file is None else str(file),
        data=None if data is None else str(data),
        fields=tuple((fields or {}).items()),
        limit=limit,
        format=format,
        columns=tuple((name, str(column)) for name, column in (columns or {}).items()),
    )
    allowed = predicting.AllowedCode(None if task is None else str(task), predicting.hub_code(trust_remote_code))
    folder = predicting.weights_of(str(model), None if out is None else str(out))
    return predicting.predict(folder, request, allowed=allowed)


@_reports_damage
def export(run: str, to: str | Path | None = None, *, out: str | Path | None = None) -> Exported:
    """Write a run's weights, tokenizer and model card to a folder in Hugging Face format.

    `run` is the beginning of its id, or `system:seed`; `out` is its results directory. `to` is a folder, or `hub:NAME`
    to publish it as well; by default a folder named after system and seed.

    >>> written = export("small:1", "my-model", out="results/tiny")
    >>> "model.safetensors" in written.files, "README.md" in written.files
    (True, True)
    >>> len(predict("my-model", "The battery shall supply 28 V .").table)
    7

    Raises UserError for a run without saved weights and for a folder that holds something else; EnvironmentProblem if
    the hub cannot be reached; CorruptResults if the weights have changed since they were written.
    """
    from orchestrator.commands.export import export as write

    return write(run, None if out is None else str(out), None if to is None else str(to))


def _resolved(experiment: Loaded | str | Path, *, must_be_available: bool = True) -> ResolvedExperiment:
    from orchestrator.config.resolve import resolve

    loaded = experiment if isinstance(experiment, Loaded) else load_experiment(experiment)
    return resolve(loaded, must_be_available=must_be_available)
