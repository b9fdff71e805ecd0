"""How two versions of `generate_alerts` are compared: on batches and histories around every constant.

Batches and histories are without end, so this is a sample of them, chosen around what both versions say.
"""

import hashlib
import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from poet.compare.behaviours import Behaviour, Question, Questions, Spoken, around, product
from poet.runtime.results import Alert, AlertPlan, DriftResult

__all__ = ["BEHAVIOUR"]

STRANGER = "no such feature"
IMPACTS = ("", "none", "low", "medium", "high", "critical")
NOW = 1e6  # before any learned end of a suppression
LARGEST_BATCH = 50
LATEST = 1e11
LONGEST_PAUSE = 1e7
LOTS = 200  # ids to choose those from that a holdout just takes and just leaves


def questions(modules: tuple[ModuleType, ModuleType], spoken: Spoken) -> Questions:
    """Ask about single results, repeats and batches around every constant."""
    features = sorted({each for module in modules for each in _features(module)})
    nows = (None, *around([each for each in spoken.numbers if each > NOW], NOW, LATEST))
    singles, _ = product({
        "features": [(each,) for each in (*features, STRANGER)],
        "ratio": (*around([each for each in spoken.numbers if each >= 1.0], 1.0, 1e3), math.nan),
        "impact": IMPACTS,
        "direction": ("above", "below"),
        "lot": _lots(spoken),
        "now": nows,
        "earlier": _pauses(spoken),
        "group": ("",),
    }, most=40_000)  # fmt: skip
    batches, _ = product({
        "features": list(_batches(features, modules)),
        "ratio": (1.5,),
        "impact": ("", "critical"),
        "direction": ("above",),
        "lot": (0,),
        "now": (None, NOW, LATEST),
        "earlier": (None, 1.0, LONGEST_PAUSE),
        "group": ("", *_groups(modules)),
    }, most=20_000)  # fmt: skip
    return Questions([*singles, *batches], are_all=False)


def _features(module: ModuleType) -> set[str]:
    constants = [value for value in vars(module).values() if isinstance(value, frozenset)]
    return {each for value in constants for each in value}


def _groups(modules: tuple[ModuleType, ModuleType]) -> list[str]:
    named = {name for module in modules for name in vars(module) if name.endswith("_FEATURES")}
    return sorted(name.removesuffix("_FEATURES").replace("_", "-", 1).lower() for name in named)


def _batches(features: list[str], modules: tuple[ModuleType, ModuleType]) -> Iterator[tuple[str, ...]]:
    """Give growing batches of strangers, of each rule's features, and of both."""
    numbers = [
        value for module in modules for name, value in vars(module).items() if name.endswith("_AT_LEAST")
    ]
    most = min(max(numbers, default=2) + 2, LARGEST_BATCH)
    yield from ((STRANGER,) * n for n in range(most + 1))
    sets = {value for module in modules for value in vars(module).values() if isinstance(value, frozenset)}
    for each in sorted(sets, key=sorted):
        members = sorted(each)
        for n in range(1, most + 1):
            yield tuple(members[k % len(members)] for k in range(n))
            yield (*(members[k % len(members)] for k in range(n)), STRANGER)
    yield tuple(features)


def _pauses(spoken: Spoken) -> list[float | None]:
    return [None, *around([each for each in spoken.numbers if each > 1.0], 1.0, LONGEST_PAUSE)]


def _lots(spoken: Spoken) -> list[int]:
    """Choose ids on both sides of every share: what it just takes, and what it just leaves."""
    lots = {k: _lot(k) for k in range(LOTS)}
    shares = [each for each in spoken.numbers if 0.0 <= each <= 1.0]
    found = {0}
    for share in shares:
        taken, left = ([k for k in lots if (lots[k] < share) is side] for side in (True, False))
        found |= {max(taken, key=lots.__getitem__)} if taken else set()
        found |= {min(left, key=lots.__getitem__)} if left else set()
    return sorted(found)


def _lot(k: int) -> float:
    digest = hashlib.sha256(f"holdout:x{k}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def _result(feature: str, question: Question, k: int) -> DriftResult:
    is_above = question["direction"] == "above"
    return DriftResult(
        drifted=True,
        score=question["ratio"] if is_above else 1.0,
        threshold=1.0 if is_above else question["ratio"],
        test="ks/raw/absolute",
        direction=question["direction"],
        feature=feature,
        execution_id=f"x{k}",
        business_impact=question["impact"],
    )


def answer(module: ModuleType, question: Question) -> object:
    """Give the plan, its parts in no order."""
    results = [
        _result(feature, question, question["lot"] + k) for k, feature in enumerate(question["features"])
    ]
    history: list[Any] = []
    now, earlier = question["now"], question["earlier"]
    if earlier is not None and now is not None and results:
        history = [
            Alert(
                members=(results[0],),
                group=question["group"],
                is_summary=bool(question["group"]),
                raised_at=now - earlier,
            )
        ]
    plan = module.generate_alerts(results, history=history, now=now)
    if not isinstance(plan, AlertPlan):
        return type(plan).__name__
    return (
        sorted(map(repr, plan.alerts)),
        sorted(map(repr, plan.suppressed)),
        sorted((name, repr(bar)) for name, bar in plan.thresholds.items()),
        plan.policy_version,
    )


def _outcome(given: Any) -> Any:
    """Give how many alerts go out and how many results are held back."""
    return {"alerts": len(given[0]), "held back": len(given[1])} if isinstance(given, tuple) else given


def _direction(before: Any, after: Any) -> int:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return 0
    return int(after["alerts"] < before["alerts"]) - int(after["alerts"] > before["alerts"])


BEHAVIOUR = Behaviour(
    questions=questions,
    answer=answer,
    outcome=_outcome,
    direction=_direction,
    stricter="sends fewer alerts",
    looser="sends more alerts",
)
