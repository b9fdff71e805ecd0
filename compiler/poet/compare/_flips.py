"""What a version would have answered otherwise on what was recorded, and what people said of it."""

import msgspec

from poet.compare._compare import Comparison
from poet.decisions import Interval

__all__ = ["Against", "Flips", "Side"]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """Recorded executions whose answer turns one way, by what people said of them."""

    flips: int = 0
    false_alarms: int = 0
    real: int = 0
    unlabelled: int = 0


class Flips(msgspec.Struct, frozen=True, kw_only=True):
    """One version replayed against another on recorded executions.

    Costs are per labelled execution, old labels counting for less. `refusal` says why the newer version must
    not replace the older one; empty where nothing speaks against it.
    """

    recorded: int
    quieter: Side
    louder: Side
    by_feature: dict[str, int]  # those with most flips
    precision_before: Interval
    precision_after: Interval
    cost_before: float
    cost_after: float
    refusal: str = ""


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """A version held against the one it would replace, on every input and on what was recorded."""

    version: int
    comparison: Comparison | None = None
    flips: Flips | None = None
