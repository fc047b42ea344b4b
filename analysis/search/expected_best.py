"""The best score to expect of so many trials of a search (Dodge et al. 2019, "Show Your Work"; Tang et al. 2020)."""

from __future__ import annotations

import numpy as np

from analysis.inference.interface import Floats


def expected_best(scores: Floats) -> Floats:
    """E[largest of k of the n >= 1 scores], k = 1 .. n, over all subsets without replacement; larger is better.

    Sum over i of s_(i) C(i - 1, k - 1) / C(n, k): the unbiased form (Tang et al. 2020) of the estimator of Dodge et al.
    (2019), which draws with replacement and is too low near n. It rests on the scores being independent draws. The last
    value is the largest score itself: the nearer k is to n, the fewer subsets it averages.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    found = np.empty(n)
    for k in range(1, n + 1):
        ranks = np.arange(n, k, -1)  # the weight of rank i - 1 is (i - k) / (i - 1) of that of rank i
        weights = np.concatenate([[k / n], k / n * np.cumprod((ranks - k) / (ranks - 1))])
        found[k - 1] = weights @ ordered[::-1][: n - k + 1]
    return found
