"""Comparison of two versions of `monitor_with_recovery` by the steps they take with a run."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from types import ModuleType
from typing import Any, Final

from poet.build.compare import Behaviour, Probe, ProbeSet, around, binder, product, whole_around
from poet.build.probes import Literals
from poet_runtime.recovery import prepare as real_prepare
from poet_runtime.results import MonitoringOutcome

ERRORS: Final = ("", "timeout", "memory", "value", "io", "crash", "other")
MADE_TO_FAIL: Final = "made to fail"  # the warning of a stub with an error
_bound = binder(real_prepare)
_OUTCOME_FIELDS: Final = attrgetter(
    *(field.name for field in fields(MonitoringOutcome) if field.name != "results")
)
MOST_ROWS, MOST_FEATURES = 2**40, 2**20


def probes(_modules: tuple[ModuleType, ModuleType], literals: Literals, most: int) -> ProbeSet:
    """Return inputs on both sides of every size and share, for every computation and kind of error."""
    found, is_complete = product({
        "rows": whole_around(literals.numbers_against("rows"), 0, MOST_ROWS),
        "features": whole_around(literals.numbers_against("features"), 0, MOST_FEATURES),
        "missing_share": around(literals.numbers_against("missing_share"), 0.0, 1.0),
        "computation": ("", *literals.texts_against("computation"), "no such computation"),
        "error": ERRORS,
    }, most=most)  # fmt: skip
    are_decisive = literals.are_only_compared("rows", "features", "missing_share", "computation", "error")
    return ProbeSet(found, is_complete and are_decisive)


@dataclass(slots=True)
class _StubRun:
    """A stub of a run with given measures that records the steps taken with it."""

    rows: int
    features: int
    missing_share: float
    computation: str
    error: str
    steps: tuple[Any, ...] = ()

    def _then(self, step: str, *arguments: Any, rows: int | None = None) -> "_StubRun":
        return _StubRun(
            self.rows if rows is None else rows,
            self.features,
            self.missing_share,
            self.computation,
            self.error,
            (*self.steps, (step, *arguments)),
        )

    def sparse(self, above: float, *, quality_loss: float) -> "_StubRun":
        """Record monitoring of presence instead of values."""
        return self._then("sparse", above, quality_loss)

    def sampled(self, rows: int, *, quality_loss: float) -> "_StubRun":
        """Record sampling."""
        return self._then("sampled", rows, quality_loss, rows=min(self.rows, rows))

    def within(self, *, seconds: float, per_rows: float = 0.0, per_features: float = 0.0) -> "_StubRun":
        """Record a deadline."""
        return self._then("within", seconds, per_rows, per_features)

    def isolated(self) -> "_StubRun":
        """Record a run in another process."""
        return self._then("isolated")

    def full(self, *, spares_time: bool = False) -> MonitoringOutcome:
        """Return an outcome with the given error, and with all steps as results."""
        return MonitoringOutcome(
            results=(*self.steps, ("full", spares_time)),
            strategy="failed" if self.error else "full",
            quality_loss=1.0 if self.error else 0.0,
            timed_out=self.error == "timeout",
            warnings=(MADE_TO_FAIL,) if self.error else (),
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


def evaluate_steps(module: ModuleType, probe: Probe) -> tuple[list[Mapping[str, Any]], MonitoringOutcome]:
    """Return how the run was prepared, and an outcome whose results are the steps taken with it.

    The stub of `prepare` stays in the module.
    """
    given: list[Mapping[str, Any]] = []

    def prepare(*arguments: Any, **keywords: Any) -> _StubRun:
        given.append(_bound(*arguments, **keywords))
        return _StubRun(**probe)

    vars(module)["prepare"] = prepare
    outcome: MonitoringOutcome = module.monitor_with_recovery("data", monitor="monitor", context="context")
    return given, outcome


def evaluate(module: ModuleType, probe: Probe) -> object:
    """Return the arguments of `prepare`, the steps and the fields of the outcome."""
    given, outcome = evaluate_steps(module, probe)
    return given, outcome.results, _OUTCOME_FIELDS(outcome)


def _outcome(given: Any) -> Any:
    return given[1] if isinstance(given, tuple) else given


def _direction(before: Any, after: Any) -> int:
    """Return 1 if the second version takes strictly more kinds of steps, -1 if fewer, else 0."""
    one, other = (
        {step[0] for step in each} if isinstance(each, tuple) else set() for each in (before, after)
    )
    return int(other > one) - int(other < one)


BEHAVIOUR: Final = Behaviour(
    probes=probes,
    evaluate=evaluate,
    outcome=_outcome,
    direction=_direction,
    stricter="intervenes more often",
    looser="intervenes less often",
)
