"""Comparison of two versions of `monitor_with_recovery` by the steps they take with a run."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from types import ModuleType
from typing import Any, Final

from poet.build.compare import Behaviour, Question, Questions, around, binder, product, whole_around
from poet.build.probes import Spoken
from poet_runtime.recovery import prepare as real_prepare
from poet_runtime.results import MonitoringOutcome

ERRORS: Final = ("", "timeout", "memory", "value", "io", "crash", "other")
_bound = binder(real_prepare)
_SAID: Final = attrgetter(*(field.name for field in fields(MonitoringOutcome) if field.name != "results"))
MOST_ROWS, MOST_FEATURES = 2**40, 2**20


def questions(_modules: tuple[ModuleType, ModuleType], spoken: Spoken, most: int) -> Questions:
    """Return inputs on both sides of every size and share, for every computation and kind of error."""
    asked, are_all = product({
        "rows": whole_around(spoken.numbers_against("rows"), 0, MOST_ROWS),
        "features": whole_around(spoken.numbers_against("features"), 0, MOST_FEATURES),
        "missing_share": around(spoken.numbers_against("missing_share"), 0.0, 1.0),
        "computation": ("", *spoken.texts_against("computation"), "no such computation"),
        "error": ERRORS,
    }, most=most)  # fmt: skip
    decide = spoken.are_only_compared("rows", "features", "missing_share", "computation", "error")
    return Questions(asked, are_all and decide)


@dataclass(slots=True)
class _Told:
    """A stub of a run with given measures that records the steps taken with it."""

    rows: int
    features: int
    missing_share: float
    computation: str
    error: str
    steps: tuple[Any, ...] = ()

    def _then(self, step: str, *arguments: Any, rows: int | None = None) -> "_Told":
        return _Told(
            self.rows if rows is None else rows,
            self.features,
            self.missing_share,
            self.computation,
            self.error,
            (*self.steps, (step, *arguments)),
        )

    def sparse(self, above: float, *, quality_loss: float) -> "_Told":
        """Record monitoring of presence instead of values."""
        return self._then("sparse", above, quality_loss)

    def sampled(self, rows: int, *, quality_loss: float) -> "_Told":
        """Record sampling."""
        return self._then("sampled", rows, quality_loss, rows=min(self.rows, rows))

    def within(self, *, seconds: float, per_rows: float = 0.0, per_features: float = 0.0) -> "_Told":
        """Record a deadline."""
        return self._then("within", seconds, per_rows, per_features)

    def isolated(self) -> "_Told":
        """Record a run in another process."""
        return self._then("isolated")

    def full(self, *, spares_time: bool = False) -> MonitoringOutcome:
        """Return an outcome with the given error, and with all steps as results."""
        return MonitoringOutcome(
            results=(*self.steps, ("full", spares_time)),
            strategy="failed" if self.error else "full",
            quality_loss=1.0 if self.error else 0.0,
            timed_out=self.error == "timeout",
            warnings=("told to fail",) if self.error else (),
            error=self.error,
            rows=self.rows,
            features=self.features,
        )

    def recovered(
        self, failed: MonitoringOutcome, strategies: Any, *, quality_losses: Any, rows: int
    ) -> MonitoringOutcome:
        """Return the failed outcome with the recovery added as the last step."""
        tried = ("recovered", self.steps, tuple(strategies), tuple(quality_losses), rows)
        return replace(failed, results=(*failed.results, tried))


def asked_how(module: ModuleType, question: Question) -> tuple[list[Mapping[str, Any]], MonitoringOutcome]:
    """Return how the run was prepared, and an outcome whose results are the steps taken with it.

    The stub of `prepare` stays in the module.
    """
    given: list[Mapping[str, Any]] = []

    def prepare(*arguments: Any, **keywords: Any) -> _Told:
        given.append(_bound(*arguments, **keywords))
        return _Told(**question)

    vars(module)["prepare"] = prepare
    outcome: MonitoringOutcome = module.monitor_with_recovery("data", monitor="monitor", context="context")
    return given, outcome


def answer(module: ModuleType, question: Question) -> object:
    """Return the arguments of `prepare`, the steps and the fields of the outcome."""
    given, outcome = asked_how(module, question)
    return given, outcome.results, _SAID(outcome)


def _outcome(given: Any) -> Any:
    return given[1] if isinstance(given, tuple) else given


def _direction(before: Any, after: Any) -> int:
    """Return 1 if the second version takes strictly more kinds of steps, -1 if fewer, else 0."""
    one, other = (
        {step[0] for step in each} if isinstance(each, tuple) else set() for each in (before, after)
    )
    return int(other > one) - int(other < one)


BEHAVIOUR: Final = Behaviour(
    questions=questions,
    answer=answer,
    outcome=_outcome,
    direction=_direction,
    stricter="steps in more",
    looser="steps in less",
)
