"""Comparison of two versions of `monitor_with_recovery` by the steps they take with a run.

A deadline is a formula of the numbers of rows and features. Two formulas that agree on the probed tables may
differ on others. The sizes of a stub therefore remember how a version multiplies and exponentiates them, and
the comparison covers the coefficient and the exponents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from types import ModuleType
from typing import Any, Final, NamedTuple

from poet.build.compare import Behaviour, Probe, ProbeSet, around, binder, product, whole_around
from poet.build.probes import Literals
from poet_runtime.recovery import prepare_run as real_prepare
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


class Powers(NamedTuple):
    """The formula of a deadline: ``coefficient * rows**of_rows * features**of_features``."""

    coefficient: float
    of_rows: float
    of_features: float


class _Product(float):
    """A product of powers of sizes, with its formula. Any other arithmetic returns a plain number."""

    powers: Powers

    def __mul__(self, other: float) -> "_Product":
        one, by = self.powers, _powers(other)
        coefficient = one.coefficient * by.coefficient
        powers = Powers(coefficient, one.of_rows + by.of_rows, one.of_features + by.of_features)
        return _product(float(self) * float(other), powers)

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> "_Product":
        return _quotient(self, other)

    def __rtruediv__(self, other: float) -> "_Product":
        return _quotient(other, self)

    def __pow__(self, exponent: float, _modulus: None = None) -> float:
        value: float = float(self) ** float(exponent)
        if isinstance(exponent, _Product):
            return value
        coefficient, of_rows, of_features = self.powers
        return _product(value, Powers(coefficient**exponent, of_rows * exponent, of_features * exponent))


def _product(value: float, powers: Powers) -> _Product:
    made = _Product(value)
    made.powers = powers
    return made


def _quotient(above: float, below: float) -> _Product:
    one, by = _powers(above), _powers(below)
    coefficient = one.coefficient / by.coefficient
    powers = Powers(coefficient, one.of_rows - by.of_rows, one.of_features - by.of_features)
    return _product(float(above) / float(below), powers)


def _powers(number: float) -> Powers:
    return number.powers if isinstance(number, _Product) else Powers(float(number), 0.0, 0.0)


def _rows(count: float) -> _Product:
    return _product(count, Powers(1.0, 1.0, 0.0))


def _features(count: float) -> _Product:
    return _product(count, Powers(1.0, 0.0, 1.0))


@dataclass(slots=True)
class _StubRun:
    """A stub of a run with given measures that records the steps taken with it."""

    rows: float
    features: float
    missing_share: float
    computation: str
    error: str
    steps: tuple[Any, ...] = ()

    def _then(self, step: str, *arguments: Any, rows: float | None = None) -> "_StubRun":
        return _StubRun(
            self.rows if rows is None else rows,
            self.features,
            self.missing_share,
            self.computation,
            self.error,
            (*self.steps, (step, *arguments)),
        )

    def sparse(self, *, missing_above: float, quality_loss: float) -> "_StubRun":
        """Record monitoring of presence instead of values."""
        return self._then("sparse", missing_above, quality_loss)

    def sampled(self, rows: int, *, quality_loss: float) -> "_StubRun":
        """Record sampling."""
        return self._then("sampled", rows, quality_loss, rows=min(self.rows, _rows(rows)))

    def with_deadline(self, seconds: float) -> "_StubRun":
        """Record a deadline, with its formula if it is a product of powers of sizes."""
        powers = seconds.powers if isinstance(seconds, _Product) else None
        return self._then("with_deadline", float(seconds), powers)

    def isolated(self) -> "_StubRun":
        """Record a run in another process."""
        return self._then("isolated")

    def execute(self, *, reserve_time: bool = False) -> MonitoringOutcome:
        """Return an outcome with the given error, and with all steps as results."""
        return MonitoringOutcome(
            results=(*self.steps, ("execute", reserve_time)),
            strategy="failed" if self.error else "full",
            quality_loss=1.0 if self.error else 0.0,
            timed_out=self.error == "timeout",
            warnings=(MADE_TO_FAIL,) if self.error else (),
            error=self.error,
            rows=int(self.rows),
            features=int(self.features),
        )

    def recover(
        self, failed: MonitoringOutcome, *strategies: tuple[str, float], sample_rows: int = 0
    ) -> MonitoringOutcome:
        """Return the failed outcome with the recovery added as the last step.

        The rows of a sample are recorded only if sampling is one of the strategies.
        """
        rows = sample_rows if any(name == "sampled" for name, _ in strategies) else None
        return replace(failed, results=(*failed.results, ("recover", self.steps, strategies, rows)))


def evaluate_steps(module: ModuleType, probe: Probe) -> tuple[list[Mapping[str, Any]], MonitoringOutcome]:
    """Return how the run was prepared, and an outcome whose results are the steps taken with it.

    The stub of `prepare_run` stays in the module.
    """
    given: list[Mapping[str, Any]] = []

    def prepare_run(*arguments: Any, **keywords: Any) -> _StubRun:
        given.append(_bound(*arguments, **keywords))
        return _StubRun(**{**probe, "rows": _rows(probe["rows"]), "features": _features(probe["features"])})

    vars(module)["prepare_run"] = prepare_run
    outcome: MonitoringOutcome = module.monitor_with_recovery("data", monitor="monitor", context="context")
    return given, outcome


def evaluate(module: ModuleType, probe: Probe) -> object:
    """Return the arguments of `prepare_run`, the steps and the fields of the outcome."""
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
