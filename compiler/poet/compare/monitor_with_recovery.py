"""How two versions of `monitor_with_recovery` are compared: by what they do with a run, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from poet.compare.behaviours import Behaviour, Question, Questions, Spoken, around, product, whole_around

__all__ = ["BEHAVIOUR", "ERRORS", "asked_how"]

ERRORS = ("", "timeout", "memory", "value", "io", "crash", "other")
MOST_ROWS, MOST_FEATURES = 2**40, 2**20


def questions(_modules: tuple[ModuleType, ModuleType], spoken: Spoken) -> Questions:
    """Ask on both sides of every size and share, for every kind of work and of error."""
    asked, are_all = product({
        "rows": whole_around(spoken.numbers_against("rows"), 0, MOST_ROWS),
        "features": whole_around(spoken.numbers_against("features"), 0, MOST_FEATURES),
        "missing_share": around(spoken.numbers_against("missing_share"), 0.0, 1.0),
        "computation": ("", *spoken.texts_against("computation"), "no such computation"),
        "error": ERRORS,
    })  # fmt: skip
    return Questions(asked, are_all)


@dataclass(frozen=True)
class _Told:
    """A run that has the measures it is told to have, and remembers what was done with it."""

    rows: int
    features: int
    missing_share: float
    computation: str
    error: str
    steps: tuple[Any, ...] = ()

    def _then(self, step: str, *arguments: Any, **changes: Any) -> "_Told":
        return replace(self, steps=(*self.steps, (step, *arguments)), **changes)

    def sparse(self, above: float, *, quality_loss: float) -> "_Told":
        """Take presence for values."""
        return self._then("sparse", above, quality_loss)

    def sampled(self, rows: int, *, quality_loss: float) -> "_Told":
        """Take a sample."""
        return self._then("sampled", rows, quality_loss, rows=min(self.rows, rows))

    def within(self, *, seconds: float, per_rows: float = 0.0, per_features: float = 0.0) -> "_Told":
        """Set a deadline."""
        return self._then("within", seconds, per_rows, per_features)

    def isolated(self) -> "_Told":
        """Run in another process."""
        return self._then("isolated")

    def full(self, *, spares_time: bool = False) -> "_Told":
        """Run."""
        return self._then("full", spares_time)

    def recovered(self, failed: "_Told", strategies: Any, *, quality_losses: Any, rows: int) -> "_Told":
        """Try what may help."""
        tried = ("recovered", self.steps, tuple(strategies), tuple(quality_losses), rows)
        return replace(failed, steps=(*failed.steps, tried))


def asked_how(module: ModuleType, question: Question) -> tuple[list[Any], tuple[Any, ...]]:
    """Give how the run was prepared, and every step taken with it; the module keeps our primitives."""
    given: list[tuple[Any, Mapping[str, Any]]] = []

    def prepare(*arguments: Any, **keywords: Any) -> _Told:
        given.append((arguments, keywords))
        return _Told(**question)

    vars(module)["prepare"] = prepare
    outcome = module.monitor_with_recovery("data", monitor="monitor", context="context")
    return given, outcome.steps


def answer(module: ModuleType, question: Question) -> object:
    """Give both."""
    return asked_how(module, question)


def _outcome(given: Any) -> Any:
    return given[1] if isinstance(given, tuple) else given


def _direction(before: Any, after: Any) -> int:
    """Count how often each steps in: whoever does more of the same or other things is stricter."""
    one, other = (
        {step[0] for step in each} if isinstance(each, tuple) else set() for each in (before, after)
    )
    return int(other > one) - int(other < one)


BEHAVIOUR = Behaviour(
    questions=questions,
    answer=answer,
    outcome=_outcome,
    direction=_direction,
    stricter="steps in more",
    looser="steps in less",
)
