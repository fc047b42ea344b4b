"""Training and validation loss at the best epoch: how far each system overfits when its weights are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.plotting import style
from analysis.plotting.figure import Figure, epochs_of, runs_of
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run: `train_loss` and `eval_loss` of its best epoch."""
    best = runs_of(analysis, "best_epoch")[["run_id", "best_epoch"]].rename(columns={"best_epoch": "epoch"})
    return epochs_of(analysis, "train_loss", "eval_loss").merge(best, on=["run_id", "epoch"])


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Hollow: training; filled: validation; large: mean over runs; the line is the gap between the two means."""
    for group, position, rank in style.system_rows(ax, data):
        tone = style.colour(rank)
        train, validation = group["train_loss"], group["eval_loss"]
        ax.plot([train.mean(), validation.mean()], [position, position], color=tone, linewidth=1.6, zorder=2)
        for values, face in ((train, "white"), (validation, tone)):
            height = position + style.spread(values, 0.2)
            ax.scatter(values, height, s=8, facecolors=face, edgecolors=tone, linewidths=0.6, alpha=0.6, zorder=3)
            ax.scatter(values.mean(), position, s=44, facecolors=face, edgecolors=tone, linewidths=1.5, zorder=5)
    style.key(ax, {"training": "white", "validation": style.SOFT})
    ax.set_xlabel("loss at the best epoch")


FIGURE = Figure(
    name="loss_comparison",
    rank=60,
    title="Training and validation loss at the best epoch",
    caption="Large marks: means over runs, hollow for training and filled for validation; small marks: single runs. "
    "A long line is a large gap between what a system learned and what carries over to new items. The training loss is "
    "the mean over the epoch, with dropout. Losses of systems trained with different objectives are not comparable.",
    section="training",
    aside=True,
    needs=("runs.best_epoch", "epochs.train_loss", "epochs.eval_loss"),
    data=data,
    draw=draw,
    frame_inches=0.86,
)
