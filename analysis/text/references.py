"""The literature behind the numbers: what a paper that pastes the methods paragraph has to cite."""

from __future__ import annotations

from analysis.result import Analysis

HOLM = "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6."
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
    """The references of what this analysis used, by name of the first author."""
    pairs = analysis.comparisons
    if pairs.empty:
        return sorted(_of_search(analysis))
    found = _of_search(analysis) | {HOLM, HEDGES, SUPERIORITY}
    found |= {BY_METHOD[name] for name in pairs["primary_method"].dropna().unique() if name in BY_METHOD}
    found |= {reference for name, reference in BY_OMNIBUS.items() if name in analysis.omnibus}
    if pairs["tost_p"].notna().any():
        found.add(TOST)
    return sorted(found)


def _of_search(analysis: Analysis) -> set[str]:
    """Who proposed and stopped trials, and what the figures of a search rest on."""
    if analysis.search is None:
        return set()
    settings = analysis.search.settings
    return {BY_SEARCH[name] for name in (settings.scheduler, settings.searcher) if name in BY_SEARCH} | {*OF_FIGURES}
