"""Comparison of two versions of `generate_alerts`, on single results and on growing batches.

The plan for a result depends on three things: the sets that contain its feature; on which side of learned
numbers its score, its lot and the time since its last alert are; and how many other results of a rule's
features are in the batch. So the inputs are single results under all circumstances, and batches for every
count of every rule's features up to its number and beyond, with and without a suppressed result. Differences
that require two results which differ in anything else are not searched for.
"""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from poet.build.compare import Behaviour, Probe, ProbeSet, around, product
from poet.build.probes import Literals
from poet_runtime.alerts import AlertPlanner, to_timestamp
from poet_runtime.results import Alert, AlertPlan, DriftResult

STRANGER: Final = "no such feature"
IMPACTS: Final = ("", "none", "low", "medium", "high", "critical")
NOW: Final = 1e6  # before any learned end of a suppression
LARGEST_BATCH: Final = 20
LARGEST_RATIO: Final = 1e3
MOST_KINDS: Final = 6
LATEST: Final = 1e11
LONGEST_PAUSE: Final = 1e7
LOTS: Final = 200  # ids among which to find those closest to the share of a holdout, on either side


@dataclass(frozen=True, slots=True)
class Settings:
    """The values that versions give to their planners."""

    features: set[frozenset[str]] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    factors: set[float] = field(default_factory=set)  # on thresholds
    holdouts: set[float] = field(default_factory=set)
    ends: set[float] = field(default_factory=set)  # seconds since 1970
    pauses: set[float] = field(default_factory=set)  # seconds


class RecordingPlanner(AlertPlanner):
    """A planner that records the values it is given. Every suppression is in force."""

    settings: Settings

    def is_before(self, end: Any) -> bool:
        """Record the end of a suppression."""
        if (seconds := to_timestamp(end)) is not None:
            self.settings.ends.add(seconds)
        return True

    def count(self, features: Any) -> int:
        """Record the features of a group."""
        self.settings.features.add(frozenset(features))
        return super().count(features)

    def has_recent_summary(self, group: str) -> bool:
        """Record the group."""
        self.settings.groups.add(group)
        return super().has_recent_summary(group)

    def suppress(
        self, features: Any, *, holdout: float, ratio_at_most: float | None = None, **given: Any
    ) -> None:
        """Record the features, the share of the holdout and the ratio."""
        self.settings.features.add(frozenset(features))
        self.settings.holdouts.add(holdout)
        if ratio_at_most is not None:
            self.settings.factors.add(ratio_at_most)
        super().suppress(features, holdout=holdout, ratio_at_most=ratio_at_most, **given)

    def cool_down(
        self, *, seconds: float, factor: float, except_new_members_of: Any = None, **given: Any
    ) -> None:
        """Record the pause, the factor and the groups."""
        groups = except_new_members_of or {}
        self.settings.pauses.add(seconds)
        self.settings.factors.add(factor)
        self.settings.groups.update(groups)
        self.settings.features.update(map(frozenset, groups.values()))
        super().cool_down(seconds=seconds, factor=factor, except_new_members_of=groups, **given)

    def summarize(self, features: Any, *, rule: str) -> None:
        """Record the features and the group."""
        self.settings.features.add(frozenset(features))
        self.settings.groups.add(rule)
        super().summarize(features, rule=rule)


def settings_of(modules: Iterable[ModuleType]) -> Settings:
    """Return the values that these versions give to their planners."""
    settings = Settings()

    def plan_alerts(*arguments: Any, **keywords: Any) -> RecordingPlanner:
        planner = RecordingPlanner(*arguments, **keywords)
        planner.settings = settings
        return planner

    for module in modules:
        original = vars(module).get("plan_alerts")
        vars(module)["plan_alerts"] = plan_alerts
        try:
            module.generate_alerts((), now=NOW)
        finally:
            vars(module)["plan_alerts"] = original
    return settings


def probes(modules: tuple[ModuleType, ModuleType], literals: Literals, most: int) -> ProbeSet:
    """Return single results around every constant, and batches around every count."""
    settings = settings_of(modules)
    single = {
        "features": [(each,) for each in (*_kinds_of_features(settings), STRANGER)],
        "ratio": (*around(sorted(settings.factors), 1.0, LARGEST_RATIO), math.nan),
        "impact": IMPACTS,
        "direction": ("above", "below"),
    }
    lots = _lots(sorted(settings.holdouts))
    new, are_all_new = product({
        **single,
        "lot": lots,
        "now": (None, *around(sorted(settings.ends), NOW, LATEST)),
        "earlier": (None,),
        "group": ("",),
    }, most=most // 8)  # fmt: skip
    repeated, are_all_repeated = product({
        **single,
        "lot": (lots[0], lots[-1]),
        "now": (NOW, LATEST),
        "earlier": (None, *around(sorted(settings.pauses), 1.0, LONGEST_PAUSE)),
        "group": ("",),
    }, most=most // 8)  # fmt: skip
    batches, are_all_batches = product({
        "features": list(_batches(settings, _counts(modules))),
        "ratio": (1.5,),
        "impact": ("", "critical"),
        "direction": ("above",),
        "lot": (0,),
        "now": (None, NOW, LATEST),
        "earlier": (None, 1.0, LONGEST_PAUSE),
        "group": ("", *sorted(settings.groups)),
    }, most=most // 8)  # fmt: skip
    is_complete = are_all_new and are_all_repeated and are_all_batches
    return ProbeSet(
        [*new, *repeated, *batches],
        is_complete and literals.are_only_compared("drift_results", "history", "now", "remaining"),
    )


def _kinds_of_features(settings: Settings) -> list[str]:
    """Return one feature for every combination of the sets that contain it."""
    sets = sorted(settings.features, key=sorted)
    kinds: dict[tuple[bool, ...], str] = {}
    for name in sorted({name for each in sets for name in each}):
        kinds.setdefault(tuple(name in each for each in sets), name)
    return list(kinds.values())


def _batches(settings: Settings, counts: Iterable[int]) -> Iterator[tuple[str, ...]]:
    """Yield every count of each set's features and of unknown ones, and combinations of one of each kind."""
    numbers = range(min(max(counts, default=1) + 1, LARGEST_BATCH) + 1)
    for members in sorted(map(sorted, settings.features)):
        for n, strangers in itertools.product(numbers, numbers):
            own = tuple(members[k % len(members)] for k in range(n))
            yield (*own, *(STRANGER,) * strangers)
    for others in itertools.product(
        (0, 1), repeat=min(len(kinds := _kinds_of_features(settings)), MOST_KINDS)
    ):
        present = tuple(name for name, is_there in zip(kinds, others, strict=False) if is_there)
        yield from ((*present, *(STRANGER,) * strangers) for strangers in numbers)


def _counts(modules: tuple[ModuleType, ModuleType]) -> list[int]:
    """Return the numbers of results with which versions compare."""
    constants = [each for module in modules for each in vars(module).items()]
    return [value for name, value in constants if name.endswith("_AT_LEAST") and isinstance(value, int)]


def _lots(shares: Sequence[float]) -> list[int]:
    """Return ids on both sides of every share: the closest ones that it takes and leaves."""
    lots = {k: _lot(k) for k in range(LOTS)}
    found = {0}
    for share in shares:
        taken, left = ([k for k in lots if (lots[k] < share) is side] for side in (True, False))
        found |= {max(taken, key=lots.__getitem__)} if taken else set()
        found |= {min(left, key=lots.__getitem__)} if left else set()
    return sorted(found)


def _lot(k: int) -> float:
    digest = hashlib.sha256(f"holdout:x{k}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def _result(feature: str, probe: Probe, k: int) -> DriftResult:
    is_above = probe["direction"] == "above"
    return DriftResult(
        drifted=True,
        score=probe["ratio"] if is_above else 1.0,
        threshold=1.0 if is_above else probe["ratio"],
        test="ks/raw/absolute",
        direction=probe["direction"],
        feature=feature,
        execution_id=f"x{k}",
        business_impact=probe["impact"],
    )


def evaluate(module: ModuleType, probe: Probe) -> object:
    """Return the plan, independent of order."""
    results = [_result(feature, probe, probe["lot"] + k) for k, feature in enumerate(probe["features"])]
    history: list[Any] = []
    now, earlier = probe["now"], probe["earlier"]
    if earlier is not None and now is not None and results:
        history = [
            Alert(
                members=(results[0],),
                group=probe["group"],
                is_summary=bool(probe["group"]),
                raised_at=now - earlier,
            )
        ]
    plan = module.generate_alerts(results, history=history, now=now)
    if not isinstance(plan, AlertPlan):
        return type(plan).__name__
    return (
        sorted(map(repr, plan.alerts)),
        sorted(map(repr, plan.suppressed)),
        sorted((name, repr(threshold)) for name, threshold in plan.thresholds.items()),
        plan.policy_version,
    )


def _outcome(given: Any) -> Any:
    """Return the number of alerts and of suppressed results."""
    return {"alerts": len(given[0]), "suppressed": len(given[1])} if isinstance(given, tuple) else given


def _direction(before: Any, after: Any) -> int:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return 0
    return int(after["alerts"] < before["alerts"]) - int(after["alerts"] > before["alerts"])


BEHAVIOUR: Final = Behaviour(
    probes=probes,
    evaluate=evaluate,
    outcome=_outcome,
    direction=_direction,
    stricter="sends fewer alerts",
    looser="sends more alerts",
)
