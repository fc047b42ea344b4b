"""Training and validation loss per epoch, one panel per system."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.plotting import style
from analysis.plotting.figure import MOST_ROWS, Figure, epochs_of
from analysis.result import Analysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def data(analysis: Analysis) -> pd.DataFrame:
    """Return one row per run, epoch and `part` (training or validation): `loss`."""
    epochs = epochs_of(analysis, "train_loss", "eval_loss")
    wide = epochs.rename(columns={"train_loss": "training", "eval_loss": "validation"})
    keys = ["place", "system", "seed", "run_id", "epoch"]
    long = wide.melt(id_vars=keys, value_vars=["training", "validation"], var_name="part", value_name="loss")
    return long.dropna(subset="loss").sort_values([*keys, "part"], kind="stable", ignore_index=True)


def draw(data: pd.DataFrame, ax: Axes) -> None:
    """Mean lines with the range of the runs; the other systems' validation means stay as grey lines."""
    here, others = (
        data[data["here"]],
        data[~data["here"] & (data["part"] == "validation") & (data["place"] < MOST_ROWS)],
    )
    for _, other in others.groupby("place"):
        mean = other.groupby("epoch")["loss"].mean()
        ax.plot(mean.index, mean, color=style.FAINT, linewidth=1.0, zorder=1)
    tone = style.colour(int(here["place"].iloc[0]))
    for part, dashes in (("training", "--"), ("validation", "-")):
        _band(ax, here[here["part"] == part], tone, dashes, part)
    style.whole_numbers(ax, data["epoch"])
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    if here["place"].iloc[0] == data["place"].min():
        ax.legend(loc="best", handlelength=2.6)


def _band(ax: Axes, part: pd.DataFrame, tone: str, dashes: str, name: str) -> None:
    """Draw the mean over the runs that reached the epoch, a band from lowest to highest run, and single runs."""
    by_epoch = part.groupby("epoch")["loss"].agg(["mean", "min", "max"])
    ax.fill_between(by_epoch.index, by_epoch["min"], by_epoch["max"], color=tone, alpha=0.15, linewidth=0)
    for _, run in part.groupby("run_id", sort=True):
        ax.plot(run["epoch"], run["loss"], dashes, color=tone, linewidth=0.4, alpha=0.45)
    ax.plot(by_epoch.index, by_epoch["mean"], dashes, color=tone, linewidth=1.8, marker="o", markersize=3, label=name)


FIGURE = Figure(
    name="loss_evolution",
    rank=10,
    title="Loss per epoch",
    caption="Thick lines: mean over the runs that reached the epoch, dashed for training, solid for validation; band: "
    "lowest to highest run; thin lines: single runs; grey: validation means of the other systems. A validation loss "
    "that rises while the training loss falls is overfitting.",
    section="training",
    needs=("epochs.epoch", "epochs.train_loss", "epochs.eval_loss"),
    data=data,
    draw=draw,
    rows=None,
    panels="system",
)
