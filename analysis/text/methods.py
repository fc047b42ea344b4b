"""Write the methods paragraph of a paper from the experiment file and the tables alone, with its references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis.formatting import METHODS, better, exists, listing, plural, ranges, whole
from analysis.result import Analysis
from analysis.tables.normalize import WITHOUT_SEED
from analysis.text import search

if TYPE_CHECKING:
    import pandas as pd


MOST_NAMES = 12  # more are counted instead
OF_PAIRS = " Effect sizes are Hedges' g_z (1981) and the probability of superiority (Vargha and Delaney, 2000)."
EFFECTS = {  # of tests that have no pairs of runs
    "welch": " The effect size is the probability of superiority of any two runs (Vargha and Delaney, 2000).",
    "items": "",
}


def paragraph(analysis: Analysis) -> str:
    """Return plain text, ready to paste; what the results do not say is left out, never guessed."""
    if analysis.systems.empty:
        return " ".join(_search(analysis))
    sentences = [
        _systems(analysis),
        *_search(analysis),
        *_training(analysis),
        _scoring(analysis),
        *_comparison(analysis),
        _software(analysis),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def seeds(analysis: Analysis) -> str:
    """Return the seeds of the runs as text, neighbours joined into ranges."""
    values: list[Any] = analysis.results.runs["seed"].dropna().unique().tolist()
    if all(str(seed).lstrip("-").isdigit() for seed in values):
        return ranges(int(seed) for seed in values)
    return ", ".join(sorted(map(str, values)))


def only(analysis: Analysis, column: str) -> Any:
    """Return the value of a column of `runs` that all runs share, else None."""
    runs = analysis.results.runs
    values: list[Any] = runs[column].dropna().unique().tolist() if column in runs.columns else []
    return values[0] if len(values) == 1 else None


def runs(analysis: Analysis) -> tuple[int, int]:
    """Return how many runs have a score, and how many there are; with data sets, the runs behind the means."""
    if analysis.unit == "data set":
        scored = int(analysis.tasks["n"].sum())
        return scored, scored + int(analysis.tasks["scoreless"].sum())
    return int(analysis.results.runs["score"].notna().sum()), len(analysis.results.runs)


def family(analysis: Analysis) -> str:
    """Say how many comparisons Holm's correction covers, and how many of them are with a control."""
    pairs = analysis.comparisons
    with_control = int((pairs["control_a"].notna() | pairs["control_b"].notna()).sum())
    noted = f" ({with_control} of them with a negative control)" if with_control else ""
    return f"{plural(len(pairs), 'comparison')}{noted}"


def _systems(analysis: Analysis) -> str:
    names = [str(name) for name in analysis.systems["system"]]
    task, dataset = only(analysis, "task"), only(analysis, "dataset")
    where = f" on {dataset}" if exists(dataset) else ""
    what = f" ({str(task).replace('_', ' ')})" if exists(task) else ""
    number = analysis.results.runs["seed"].nunique()
    compared = listing(names) if len(names) <= MOST_NAMES else plural(len(names), "system")
    if analysis.unit == "data set":
        return (
            f"We compared {compared} over {plural(number, 'data set')} ({seeds(analysis)}); the scores of a system's "
            "seeds were averaged first, so that each data set is one observation."
        )
    if analysis.results.runs["seed"].astype(str).str.startswith(WITHOUT_SEED).all():
        return f"We compared {compared}{where}{what} by {plural(number, 'run')} without recorded seeds."
    each = "with" if only_method(analysis) == "welch" else "each with"
    return f"We compared {compared}{where}{what}, {each} {plural(number, 'random seed')} ({seeds(analysis)})."


def _search(analysis: Analysis) -> list[str]:
    findings = analysis.search
    if findings is None:
        return []
    return [f"In a search for hyper-parameters, {search.trials(findings)}", search.budget(findings)]


def _training(analysis: Analysis) -> list[str]:
    experiment = analysis.results.experiment or {}
    train, split = experiment.get("train"), experiment.get("split")
    sentences = []
    if isinstance(train, Mapping):
        sentences.append(_train(train, was_searched="winner_of" in analysis.results.runs.columns))
    if isinstance(split, Mapping):
        sentences.append(_split(split))
    items = only(analysis, "train_items"), only(analysis, "evaluation_items")
    if all(map(exists, items)):
        sentences.append(f"Training used {whole(items[0])} items, evaluation {whole(items[1])}.")
    return sentences


def _train(train: Mapping[str, Any], was_searched: bool) -> str:
    parts = {
        "epochs": "up to {} epochs",
        "batch_size": "a global batch of {} items",
        "learning_rate": "learning rate {}",
        "schedule": "{} schedule",
        "weight_decay": "weight decay {}",
        "clip": "gradients clipped at norm {}",
        "max_length": "at most {} tokens per item",
    }
    known = [text.format(train[key]) for key, text in parts.items() if exists(train.get(key))]
    source = "the search found" if was_searched else "the experiment file has"
    unless = f", unless {source} another value for a model or recipe"
    return f"Models were trained with AdamW for {listing(known)}{unless}." if known else ""


def _split(split: Mapping[str, Any]) -> str:
    if split.get("folds"):
        return f"Every seed was evaluated in {split['folds']}-fold cross-validation."
    if split.get("ids"):
        return "Training and evaluation items were fixed by a file of item ids."
    if split.get("seed") == "run":
        return "Training and evaluation items were drawn anew for every seed."
    return f"All runs used the same division into training and evaluation items (split seed {split.get('seed')})."


def _scoring(analysis: Analysis) -> str:
    selected = bool(analysis.systems["selected_on_evaluation"].any())
    note = ", at the epoch that was best by this same score: it is selected on evaluation data" if selected else ""
    part = only(analysis, "score_split")
    where = f" on the {part} part" if exists(part) else ""
    return f"The score is {analysis.metric} ({better(analysis.direction)}){where}{note}."


def _comparison(analysis: Analysis) -> list[str]:
    pairs = analysis.comparisons
    if pairs.empty:
        return ["Scores are described by mean and standard deviation (n - 1); no pair could be compared."]
    used = sorted({METHODS.get(name, str(name)) for name in pairs["primary_method"].dropna()})
    primary = f" The primary test is the {listing(used)}{_reference(pairs)}." if used else ""
    paired = "paired by seed (and split and fold, where they vary)" if analysis.unit == "run" else "paired by data set"
    method = only_method(analysis)
    paired = {"welch": "without pairs, as their seeds are independent", "items": "paired by item"}.get(method, paired)
    if method == "multi_bootstrap" and set(pairs["seeds"].dropna()) == {"independent"}:
        paired = "on the same items"
    rope = (
        f" Differences below {analysis.rope:g} count as irrelevant; the tests of equivalence (TOST) are corrected as a "
        "family of their own, so that each kind of error is bounded by the level."
        if exists(analysis.rope)
        else ""
    )
    return [
        "Scores are described by mean and standard deviation (n - 1 in the denominator). Systems were compared "
        f"pairwise, {paired}.{primary}{_seeds(pairs)} Two-sided p-values were corrected by Holm's method (1979) "
        f"with Shaffer's factors (1986) over {family(analysis)}; the level is {analysis.alpha:g}."
        f"{rope}{EFFECTS.get(method, OF_PAIRS)}",
        *(["The Friedman test is reported as a description (Demsar, 2006)."] if "friedman" in analysis.omnibus else []),
    ]


def only_method(analysis: Analysis) -> str:
    """Return the primary test if all pairs have the same, else an empty text."""
    methods = analysis.comparisons["primary_method"].dropna().unique().tolist()
    return str(methods[0]) if len(methods) == 1 else ""


def _seeds(pairs: pd.DataFrame) -> str:
    """Say where the primary test takes equal seeds of two systems as independent."""
    kinds = set(pairs["seeds"].dropna())
    if "independent" not in kinds:
        return ""
    where = " of different models" if "paired" in kinds else ""
    return f" It takes the seeds of two systems{where} as independent."


def _reference(pairs: pd.DataFrame) -> str:
    notes = {
        "multi_bootstrap": " (Sellam et al., 2022; critical values of Welch, 1947, and Aspin, 1948)",
        "paired_t_and_sign_flip": " (Fisher, 1935; both must reject)",
        "sign_flip": " (Fisher, 1935)",
        "corrected_resampled_t": " of Nadeau and Bengio (2003)",
        "wilcoxon": " (Wilcoxon, 1945; Demsar, 2006)",
        "welch": " (Welch, 1947)",
    }
    return notes.get(pairs["primary_method"].iloc[0], "")


def _software(analysis: Analysis) -> str:
    names = {"torch_version": "PyTorch", "transformers_version": "Transformers", "ray_version": "Ray"}
    used = [f"{name} {only(analysis, column)}" for column, name in names.items() if exists(only(analysis, column))]
    return f"Software: {listing(used)}." if used else ""


HOLM = "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6."
SHAFFER = (
    "Shaffer, J. P. (1986). Modified sequentially rejective multiple test procedures. Journal of the American "
    "Statistical Association 81."
)
WELCH = (
    "Welch, B. L. (1947). The generalization of 'Student's' problem when several different population variances are "
    "involved. Biometrika 34.",
    "Aspin, A. A. (1948). An examination and further development of a formula arising in the problem of comparing two "
    "mean values. Biometrika 35.",
)
HEDGES = (
    "Hedges, L. V. (1981). Distribution theory for Glass's estimator of effect size and related estimators. Journal of "
    "Educational Statistics 6."
)
SUPERIORITY = (
    "Vargha, A. and Delaney, H. D. (2000). A critique and improvement of the CL common language effect size statistics "
    "of McGraw and Wong. Journal of Educational and Behavioral Statistics 25."
)
FISHER = "Fisher, R. A. (1935). The Design of Experiments. Oliver and Boyd."
TOST = (
    "Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the power approach for assessing "
    "the equivalence of average bioavailability. Journal of Pharmacokinetics and Biopharmaceutics 15."
)
BY_METHOD = {
    "multi_bootstrap": "Sellam, T. et al. (2022). The MultiBERTs: BERT reproductions for robustness analysis. ICLR.",
    "corrected_resampled_t": "Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. Machine "
    "Learning 52.",
    "paired_t_and_sign_flip": FISHER,
    "sign_flip": FISHER,
    "welch": WELCH[0],
    "wilcoxon": "Wilcoxon, F. (1945). Individual comparisons by ranking methods. Biometrics Bulletin 1.",
}
BY_OMNIBUS = {
    "nemenyi": "Nemenyi, P. B. (1963). Distribution-free multiple comparisons. PhD thesis, Princeton University.",
    "friedman": "Demsar, J. (2006). Statistical comparisons of classifiers over multiple data sets. Journal of Machine "
    "Learning Research 7.",
    "repeated_measures_anova": "Greenhouse, S. W. and Geisser, S. (1959). On methods in the analysis of profile data. "
    "Psychometrika 24.",
}
BY_SEARCH = {
    "asha": "Li, L. et al. (2020). A system for massively parallel hyperparameter tuning. MLSys.",
    "hyperband": "Li, L. et al. (2018). Hyperband: a novel bandit-based approach to hyperparameter optimization. "
    "Journal of Machine Learning Research 18.",
    "median": "Golovin, D. et al. (2017). Google Vizier: a service for black-box optimization. KDD.",
    "tpe": "Bergstra, J., Bardenet, R., Bengio, Y. and Kegl, B. (2011). Algorithms for hyper-parameter optimization. "
    "NeurIPS.",
}
OF_FIGURES = (
    "Conover, W. J. and Iman, R. L. (1981). Rank transformations as a bridge between parametric and nonparametric "
    "statistics. The American Statistician 35.",
    "Dodge, J. et al. (2019). Show your work: improved reporting of experimental results. EMNLP.",
    "Tang, R. et al. (2020). Showing your work doesn't always work. ACL.",
)


def cited(analysis: Analysis) -> list[str]:
    """Return the references of what this analysis used, sorted by first author."""
    pairs = analysis.comparisons
    if pairs.empty:
        return sorted(_of_search(analysis))
    effects = {"welch": {SUPERIORITY}, "items": set[str]()}.get(only_method(analysis), {HEDGES, SUPERIORITY})
    references = _of_search(analysis) | {HOLM, SHAFFER} | effects
    references |= {BY_METHOD[name] for name in pairs["primary_method"].dropna().unique() if name in BY_METHOD}
    references |= {reference for name, reference in BY_OMNIBUS.items() if name in analysis.omnibus}
    if "multi_bootstrap" in set(pairs["primary_method"].dropna()):
        references |= set(WELCH)
    if pairs["tost_p"].notna().any():
        references.add(TOST)
    return sorted(references)


def _of_search(analysis: Analysis) -> set[str]:
    """Return references for how trials were proposed and stopped, and for the figures of a search."""
    if analysis.search is None:
        return set()
    settings = analysis.search.settings
    return {BY_SEARCH[name] for name in (settings.scheduler, settings.searcher) if name in BY_SEARCH} | {*OF_FIGURES}
