"""What is compared and by which rules: fixed in the experiment file, before any score is seen."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Direction = Literal["maximize", "minimize"]
Primary = Literal["auto", "paired_t", "sign_flip", "corrected_resampled_t"]


class CompareConfig(BaseModel):
    """The `compare` part of an experiment: metric, direction and the rules of the verdict."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    metric: str | None = Field(default=None, description="null: the task's primary metric (the score column)")
    direction: Direction = Field(default="maximize", description="whether a larger score is better")
    alpha: float = Field(default=0.05, gt=0, lt=1, description="family-wise error rate of the verdicts")
    rope: float | None = Field(
        default=None, gt=0, description="region of practical equivalence: smaller differences do not matter"
    )
    primary: Primary = Field(
        default="auto",
        description="auto: the design decides; one fixed split: paired t and exact sign-flip must agree; "
        "splits or folds that vary: corrected resampled t",
    )
    controls: dict[str, Literal["negative"]] = Field(
        default_factory=dict, description="systems or recipes that must come out worse, or the experiment is blind"
    )
    allow_unequal_failures: bool = Field(
        default=False, description="give a verdict even where failure rates differ by more than 10 points"
    )
