"""Bayesian signed-rank test: how probable is it that one system is better, worse, or practically the same?

Dirichlet process prior with one pseudo-observation at zero (Benavoli et al. 2014; Benavoli et al. 2017).
"""

from __future__ import annotations

import numpy as np

from analysis.inference.interface import Floats, StatisticalTest, TestOptions, TestResult, degenerate, differences

PRIOR_STRENGTH = 0.5


def run(values: Floats, options: TestOptions) -> TestResult:
    """Return the posterior of [n, 2] scores, larger being better; `options.rope` (or 0) bounds practical equivalence.

    statistic is probability_first; details: probability_first, probability_equivalent, probability_second (they sum to
    1: the share of posterior draws in which that outcome is the most probable), rope. These are not p-values.
    Raises ValueError without `options.generator`.
    """
    difference = differences(values)
    note = degenerate(difference)
    if note is not None:
        return TestResult(note=note)
    if options.generator is None:
        raise ValueError("the Bayesian signed-rank test draws at random and needs a generator")
    rope = options.rope or 0.0
    observed = np.concatenate([[0.0], difference])
    shape = np.concatenate([[PRIOR_STRENGTH], np.ones(len(difference))])
    drawn = options.generator.dirichlet(shape, size=options.resamples)
    sums = observed[:, None] + observed[None, :]
    first = _mass(drawn, sums > 2 * rope)
    second = _mass(drawn, sums < -2 * rope)
    equivalent = 1.0 - first - second
    shares = np.stack([first, equivalent, second], axis=1)
    winner = shares >= shares.max(axis=1, keepdims=True) - 1e-12
    probabilities = (winner / winner.sum(axis=1, keepdims=True)).mean(axis=0).tolist()
    names = ("probability_first", "probability_equivalent", "probability_second")
    return TestResult(probabilities[0], details=dict(zip(names, probabilities, strict=True)) | {"rope": rope})


def _mass(weights: Floats, chosen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """Return the probability [B] of the chosen sums of two draws from each of B posterior distributions."""
    masses: Floats = ((weights @ chosen.astype(np.float64)) * weights).sum(axis=1)
    return masses


def _smallest_p(n: int, systems: int) -> float:
    return 1.0


TEST = StatisticalTest(
    name="bayesian_signed_rank",
    title="Bayesian signed-rank test",
    systems="two",
    values="scores",
    assumes="differences that are independent; a prior worth half an observation at zero",
    generalises_over="new seeds on the same split",
    source="Benavoli, Mangili, Corani, Zaffalon and Ruggeri 2014; Benavoli, Corani, Demsar and Zaffalon 2017",
    smallest_p=_smallest_p,
    run=run,
    answer="details",
    needs_direction=True,
)
