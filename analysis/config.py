"""The rules of a comparison: fixed in the experiment file, before any score is seen."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from analysis import registry

Direction = Literal["maximize", "minimize"]
Primary = Literal["auto", "multi_bootstrap", "paired_t_and_sign_flip", "paired_t", "sign_flip", "corrected_resampled_t"]


def _as_tuple(written: Any) -> Any:
    return tuple(written) if isinstance(written, list) else written


class CompareConfig(BaseModel):
    """The `compare` part of an experiment: metric, direction and the rules of the verdict."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    metric: str | None = Field(default=None, description="null: the task's primary metric (the score column)")
    direction: Direction = Field(default="maximize", description="whether a larger score is better")
    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="family-wise error rate of the verdicts, for each kind of error: false better, false equivalent",
    )
    rope: float | None = Field(
        default=None, gt=0, description="region of practical equivalence: smaller differences do not matter"
    )
    primary: Primary = Field(
        default="auto",
        description="auto: the design decides; one shared evaluation set with item predictions: multi_bootstrap; "
        "scores only: paired t and exact sign-flip must agree; splits or folds that vary: corrected resampled t",
    )
    seeds: Literal["independent", "paired"] | None = Field(
        default=None,
        description="whether equal seeds of two systems belong together; null: paired between recipes of one model, "
        "which share initialisation and order, independent between different models; never chosen by looking",
    )
    resamples: int = Field(default=10_000, ge=1_000, le=1_000_000, description="draws of the bootstrap tests")
    tests: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = Field(
        default=(), description="tests to report beyond the default ones, e.g. tost, welch, bca, mcnemar"
    )
    baseline: str | None = Field(
        default=None,
        description="the system that all others are compared with; null: every pair is compared, at a smaller level",
    )
    controls: dict[str, Literal["negative"]] = Field(
        default_factory=dict, description="systems or recipes that must come out worse, or the experiment is blind"
    )
    allow_unequal_failures: bool = Field(
        default=False, description="give a verdict even where failure rates differ by more than 10 points"
    )

    allow_unequal_selection: bool | None = Field(
        default=None,
        description="give a verdict even where one system chose from more epochs on the evaluation data than another",
    )

    @model_validator(mode="after")
    def _seeds_fit_the_test(self) -> CompareConfig:
        if self.seeds == "independent" and self.primary in ("paired_t_and_sign_flip", "paired_t", "sign_flip"):
            raise ValueError(f"seeds: independent contradicts primary: {self.primary}, which pairs by seed; remove one")
        if self.seeds is not None and self.primary == "corrected_resampled_t":
            raise ValueError("seeds decides nothing with primary: corrected_resampled_t, which averages over seeds")
        return self

    @field_validator("tests")
    @classmethod
    def _known_tests(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = [name for name in registry.names("test") if name != "multi_bootstrap"]
        for name in names:
            if name == "multi_bootstrap":
                raise ValueError("multi_bootstrap is not an additional test: set compare.primary")
            if name not in known:
                raise registry.UnknownName("test", name, known)
        return tuple(dict.fromkeys(names))
