"""What the decisions of `monitor_with_recovery` say of a run before it begins."""

import itertools
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np

from poet.decisions import Decisions, Rule
from poet.policies.monitor_with_recovery import Failed, Large, Missing, Reach, Sample, Seconds, Sparse, Tried

__all__ = ["LACKING", "Book", "Expected", "Table", "possible"]

LACKING = "lacking"  # the feature that lacks values
_Condition = TypeVar("_Condition")
_Parameters = TypeVar("_Parameters")


@dataclass(frozen=True, slots=True)
class Table:
    """A table to ask with: so many rows and features, the first of which lacks so many values."""

    rows: int
    features: int = 2
    lacking: int = 0
    computation: str | None = None

    @property
    def share(self) -> float:
        """What the feature lacks that lacks most."""
        return self.lacking / self.rows if self.rows else 0.0

    @property
    def data(self) -> dict[str, Any]:
        """Columns that take no memory, however long, but for the one that lacks values."""
        whole = np.broadcast_to(np.int8(1), (self.rows,))
        columns: dict[str, Any] = {f"f{place}": whole for place in range(self.features)}
        if self.lacking:
            values = np.full(self.rows, 2.0)
            values[: self.lacking] = np.nan
            columns = {LACKING: values} | dict(itertools.islice(columns.items(), self.features - 1))
        return columns

    @property
    def context(self) -> dict[str, str]:
        """What the caller says of the work."""
        return {} if self.computation is None else {"computation": self.computation}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the decisions say of a run before it begins."""

    strategy: str = "full"
    quality_loss: float = 0.0
    rows: int = 0
    is_sparse: bool = False
    deadline_s: float | None = None


class Book:
    """The decisions of one version, read."""

    def __init__(self, decisions: Decisions) -> None:
        self.version = decisions.version
        self.sparse = _first(decisions, "sparse", Missing, Sparse)
        self.sample = _first(decisions, "sample", Large, Sample)
        self.deadlines = _all(decisions, "deadline", Reach, Seconds)
        self.fallbacks = _all(decisions, "fallback", Failed, Tried)

    def expected(self, table: Table) -> Expected:
        """Predict how a table is monitored."""
        strategy, loss, rows, is_sparse = "full", 0.0, table.rows, False
        if self.sparse and table.share > self.sparse[0].missing_above:
            strategy, loss, is_sparse = "sparse", self.sparse[1].quality_loss, True
        if self.sample and rows > self.sample[0].rows_above:
            strategy, rows = "sampled", min(rows, self.sample[1].rows)
            loss += self.sample[1].quality_loss * (1.0 - loss)
        return Expected(strategy, loss, rows, is_sparse, self._deadline(rows, table))

    def _deadline(self, rows: int, table: Table) -> float | None:
        named = [pair for pair in self.deadlines if pair[0].computation == table.computation is not None]
        general = [pair for pair in self.deadlines if pair[0].computation is None]
        for reach, seconds in named or general:
            if (
                reach.rows_from <= rows <= reach.rows_to
                and reach.features_from <= table.features <= reach.features_to
            ):
                scale: float = rows**seconds.per_rows * table.features**seconds.per_features
                return seconds.seconds * scale
        return None

    def tried(self, expected: Expected, error: str) -> Tried | None:
        """Tell what follows an error."""
        for failed, tried in self.fallbacks:
            if failed.error == error and (failed.rows_above is None or expected.rows > failed.rows_above):
                return tried
        return None


def possible(tried: Tried, table: Table, expected: Expected) -> list[str]:
    """Leave out the strategies that would change nothing."""
    changes = {
        "sampled": expected.rows > tried.rows,
        "sparse": table.lacking > 0 and not expected.is_sparse,
        "by_feature": table.features > 1,
        "retry": True,
    }
    return [strategy for strategy in tried.strategies if changes[strategy]]


def _first(
    decisions: Decisions, kind: str, condition: type[_Condition], parameters: type[_Parameters]
) -> tuple[_Condition, _Parameters] | None:
    return next(iter(_all(decisions, kind, condition, parameters)), None)


def _all(
    decisions: Decisions, kind: str, condition: type[_Condition], parameters: type[_Parameters]
) -> list[tuple[_Condition, _Parameters]]:
    rules: list[Rule] = [rule for rule in decisions.active if rule.kind == kind]
    return [
        (msgspec.convert(r.condition, condition), msgspec.convert(r.parameters, parameters)) for r in rules
    ]
