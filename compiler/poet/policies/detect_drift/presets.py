"""Presets of `detect_drift`: the best untuned rule known to us, or the monitor that a team runs today."""

from typing import Final, get_args

import msgspec

from poet.policies.detect_drift.rules import Criterion, Kind, Scale, Statistic
from poet.spec.decisions import Rule
from poet_runtime.errors import RenderError

# The definition of "calibrated" for numeric data: the distance from the reference, or the mean absolute
# difference of successive values, exceeds 1.7 times the 90 % quantile over the reference's own windows. The
# quantile is more stable than the maximum; for a hundred half-normal windows the maximum is about 1.6 times
# the quantile.
_NULL_Q90_TIMES: Final = 1.7
_CALIBRATED: Final = (
    Criterion(
        statistic="wasserstein",
        preparation="deseasonalized",
        scale="null_q90",
        direction="above",
        threshold=_NULL_Q90_TIMES,
    ),
    Criterion(
        statistic="mean_absolute_difference",
        preparation="raw",
        scale="null_q90",
        direction="above",
        threshold=_NULL_Q90_TIMES,
    ),
)
_CALIBRATED_CATEGORIES: Final = Criterion(
    statistic="chi_square", scale="null_q90", direction="above", threshold=_NULL_Q90_TIMES
)
_CALIBRATED_REASON: Final = f"more than {_NULL_Q90_TIMES:g} times the null q90 of the reference"
_CHI_SQUARE: Final = Criterion(statistic="chi_square", scale="p_value", direction="below", threshold=0.05)
_CHI_SQUARE_REASON: Final = "chi-square of homogeneity, p < 0.05"
_KS: Final = Criterion(statistic="ks", scale="p_value", direction="below", threshold=0.05)
_KS_REASON: Final = "two-sample Kolmogorov-Smirnov, p < 0.05"
_SMALL_REFERENCE: Final = 1000  # Evidently's reference size up to which it uses p-values


def baseline(start: str) -> tuple[Rule, ...]:
    """Return the rules of version 1 for the preset `start`.

    Raises
    ------
    RenderError
        If there is no such preset.
    """
    if start not in STARTS:
        raise RenderError(f"detect_drift has no preset {start!r}; choose one of {', '.join(STARTS)}")
    return STARTS[start]


def _rule(
    rule_id: str, reason: str, *criteria: Criterion, kind: Kind, reference_at_most: int | None = None
) -> Rule:
    condition: dict[str, object] = {"kind": kind}
    if reference_at_most is not None:
        condition["reference_at_most"] = reference_at_most
    return Rule(
        id=rule_id,
        kind="decide",
        condition=condition,
        parameters={"criteria": [msgspec.to_builtins(criterion) for criterion in criteria], "min_votes": 1},
        reason=reason,
    )


def _distance(statistic: Statistic, threshold: float, *, scale: Scale = "absolute") -> Criterion:
    return Criterion(statistic=statistic, scale=scale, direction="above", threshold=threshold)


STARTS: Final[dict[str, tuple[Rule, ...]]] = {
    "calibrated": (
        _rule("categorical", _CALIBRATED_REASON, _CALIBRATED_CATEGORIES, kind="categorical"),
        _rule("numeric", _CALIBRATED_REASON, *_CALIBRATED, kind="numeric"),
    ),
    "ks": (
        _rule("categorical", _CHI_SQUARE_REASON, _CHI_SQUARE, kind="categorical"),
        _rule("numeric", _KS_REASON, _KS, kind="numeric"),
    ),
    "psi": (
        _rule("categorical", "population stability index > 0.2", _distance("psi", 0.2), kind="categorical"),
        _rule("numeric", "population stability index > 0.2", _distance("psi", 0.2), kind="numeric"),
    ),
    "wasserstein": (
        _rule(
            "categorical",
            "Jensen-Shannon distance > 0.1",
            _distance("jensen_shannon", 0.1),
            kind="categorical",
        ),
        _rule(
            "numeric",
            "Wasserstein distance > 0.1 reference sd",
            _distance("wasserstein", 0.1),
            kind="numeric",
        ),
    ),
    "evidently": (
        _rule(
            "categorical",
            "Jensen-Shannon distance > 0.1",
            _distance("jensen_shannon", 0.1),
            kind="categorical",
        ),
        _rule(
            "categorical-small",
            _CHI_SQUARE_REASON,
            _CHI_SQUARE,
            kind="categorical",
            reference_at_most=_SMALL_REFERENCE,
        ),
        _rule(
            "numeric",
            "Wasserstein distance > 0.1 reference sd",
            _distance("wasserstein", 0.1),
            kind="numeric",
        ),
        _rule("numeric-small", _KS_REASON, _KS, kind="numeric", reference_at_most=_SMALL_REFERENCE),
    ),
    "nannyml": tuple(
        _rule(
            kind,
            "Jensen-Shannon distance over mean + 3 sd of the reference's own chunks",
            _distance("jensen_shannon", 3.0, scale="null_zscore"),
            kind=kind,
        )
        for kind in get_args(Kind)
    ),
}
