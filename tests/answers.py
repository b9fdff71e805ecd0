"""Write the answers of golden modules to many calls, to compare two environments.

    python -m tests.answers base OUT MODULE.py ...    # importing anything but the base install fails
    python -m tests.answers all OUT MODULE.py ...

OUT becomes one JSON document with a list of texts for each module. Both commands must write the same.
"""

import dataclasses
import importlib
import importlib.abc
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, Final

BASE: Final = {"numpy", "scipy", "msgspec", "filelock", "poet_runtime"}


class BaseInstall(importlib.abc.MetaPathFinder):
    """An import hook that refuses all installed packages except POET and its four base dependencies."""

    def __init__(self, *more: str) -> None:
        self._refused = {"poet", *packages_distributions()} - BASE - set(more)

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> None:  # noqa: ARG002
        """Raise an error for a refused module, and leave all others to the next finder."""
        if fullname.partition(".")[0] in self._refused:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


Call = tuple[tuple[Any, ...], dict[str, Any]]


def windows(_results: Any) -> Iterator[Call]:
    """Yield calls of `calculate_adaptive_window`."""
    for feature in ("age", "revenue", "", "daily_revenue"):
        for velocity in (0, 1, 999.5, 1000.0, 5000, 5000.000001, 1e9, float("inf"), float("nan"), -1):
            for stability in ("low", "normal", "high", "critical", None, 3):
                yield (feature, velocity, stability), {}
    yield (None, "fast", None), {}


def importances(_results: Any) -> Iterator[Call]:
    """Yield calls of `calculate_feature_importance`."""

    class Context:
        base_importance = 2.5
        time_of_year = "black_friday"
        other_features = ("day_of_week", "price")

    contexts: list[Any] = [{}, None, Context(), {"base_importance": None}, {"base_importance": "3"}]
    for season in ("black_friday", "summer", ""):
        for others in ((), "day_of_week", ["price", "day_of_week"], None, 7):
            contexts += [{"time_of_year": season, "other_features": others, "base_importance": 0.5}]
    contexts.append({"base_importance": "much"})
    for feature in ("price", "user_location", "ad_spend", "day_of_week", "", "é"):
        for context in contexts:
            yield (feature, context), {}


def strategies(_results: Any) -> Iterator[Call]:
    """Yield calls of `adaptive_monitoring_strategy`."""
    for impact in ("critical", "high", "medium", "low", "none", None, 5):
        for rate in (0.0, 0.001, 0.02, 0.5, -1.0, None, float("nan"), "often"):
            for incidents in (0, 2, None, True):
                for days in (0, 0.5, 10, None):
                    yield (
                        ({
                            "business_impact": impact,
                            "historical_drift_rate": rate,
                            "recent_incidents": incidents,
                            "days_since_incident": days,
                            "features": ["b", "price", "a", "clicks"] if days else None,
                        },),
                        {},
                    )  # fmt: skip
    yield (None,), {}
    yield (object(),), {}


def alerts(results: Any) -> Iterator[Call]:
    """Yield calls of `generate_alerts`."""
    import numpy as np

    chance = np.random.default_rng(5)
    features = ("ad_spend", "clicks", "sessions", "latency_p50", "latency_p99", "age", "", "\ud800")

    def drawn(n: int) -> list[Any]:
        return [
            results.DriftResult(
                drifted=bool(chance.random() < 0.9),
                score=float(chance.choice([0.0, 1.0, 2.0, 3.5, 9.0, np.inf, np.nan])),
                threshold=float(chance.choice([1.0, 1.7, 0.05, -1.0, 0.0])),
                test="ks/raw/absolute",
                direction=str(chance.choice(["above", "below"])),
                feature=str(chance.choice(features)),
                execution_id=str(chance.integers(0, 5)) if chance.random() < 0.7 else "",
                business_impact=str(chance.choice(["", "none", "low", "medium", "high", "critical", "odd"])),
            )
            for _ in range(n)
        ]

    moments = (
        None,
        1.7e9,
        1713139199.0,
        datetime(2024, 4, 1, tzinfo=UTC),
        np.datetime64("2024-04-01T00:00"),
        np.nan,
    )
    for n in (0, 1, 2, 3, 5, 12):
        for moment in moments:
            for _ in range(8):
                history = [
                    results.Alert(members=tuple(drawn(2)), group="group-ad_spend", raised_at=1.7e9 - 60.0),
                    results.AlertPlan(
                        alerts=(results.Alert(members=tuple(drawn(1)), raised_at=1713139100.0),)
                    ),
                ]
                yield (drawn(n),), {"history": history if n % 2 else (), "now": moment}
    yield ([1],), {}
    yield (None,), {}
    yield ([],), {"history": [3]}
    yield ([],), {"now": "today"}


def drifts(_results: Any) -> Iterator[Call]:
    """Yield calls of `detect_drift`."""
    import numpy as np

    chance = np.random.default_rng(7)
    hours = np.arange(600) * 3600.0
    season = np.sin(hours / 86_400.0 * 2 * np.pi)
    kinds: list[Callable[[int], Any]] = [
        lambda n: chance.normal(0.0, 1.0, n),
        lambda n: chance.normal(0.7, 1.5, n),
        lambda n: chance.integers(0, 4, n),
        lambda n: chance.random(n) < 0.3,
        lambda n: [str(each) for each in chance.choice(["a", "b", "c", ""], n)],
        lambda n: np.where(chance.random(n) < 0.2, np.nan, chance.lognormal(0.0, 2.0, n)),
        lambda n: np.where(chance.random(n) < 0.05, np.inf, chance.normal(0.0, 1.0, n)),
        lambda n: np.full(n, 3.0),
        lambda n: chance.normal(0.0, 1.0, n).astype(np.float32),
        lambda n: chance.normal(0.0, 1e200, n),
        lambda n: [None] * n,
    ]
    for first in kinds:
        for second in kinds:
            for n in (0, 1, 3, 60):
                yield (first(n), second(240)), {"feature": "checkout_total" if n == 3 else ""}
    for shift in (0.0, 0.5, 3.0):
        for times in (hours, None, (hours * 1e6).astype("datetime64[us]")):
            reference = season + chance.normal(0.0, 0.2, 600)
            current = season[:100] + chance.normal(shift, 0.2, 100)
            times_given = (
                {} if times is None else {"reference_times": times, "current_times": times[:100] + 0}
            )
            for context in (None, {"period": 86_400.0}, {"business_impact": "high"}, {"period": "day"}, 3):
                yield (current, reference), {**times_given, "context": context, "feature": "user_age"}
    yield ("text", [1.0]), {}
    yield ([[1.0]], [1.0]), {}
    yield ([1.0], [datetime.now(UTC)]), {}
    yield ([1.0, 2.0], [1.0]), {"current_times": [1.0]}
    yield (chance.normal(0.0, 1.0, 2600), chance.normal(0.0, 1.0, 2500)), {"feature": "checkout_total"}


def recoveries(_results: Any) -> Iterator[Call]:  # noqa: C901 -- a list of monitors
    """Yield calls of `monitor_with_recovery`."""
    import numpy as np

    chance = np.random.default_rng(9)
    small = {"a": chance.normal(0.0, 1.0, 50), "b": [1.0, None] * 25}
    large = {"a": chance.normal(0.0, 1.0, 60_000), "b": np.arange(60_000)}
    sparse = {"a": [None] * 97 + [1.0] * 3, "b": list(range(100))}

    def means(data: Any) -> Any:
        return {name: len(column) for name, column in data.items()}

    def picky(data: Any) -> Any:
        if "b" in data:
            raise ValueError("no b")
        return means(data)

    def hungry(_data: Any) -> Any:
        raise MemoryError

    def lost(_data: Any) -> Any:
        raise OSError(5, "gone")

    def slow(data: Any) -> Any:
        if len(next(iter(data.values()))) > 20_000:
            time.sleep(0.4)
        return means(data)

    contexts: tuple[Any, ...] = (None, {"computation": "kl_divergence"}, {"computation": "psi"}, 3)
    for data in (small, large, sparse, None, [[1.0, 2.0]] * 30, np.ones((40, 3)), 5, {}):
        for monitor in (means, picky, hungry, lost, slow):
            for context in contexts[: 4 if data is small else 2]:
                yield (data,), {"monitor": monitor, "context": context}
        yield (data,), {}
    yield ({"current": small, "reference": large},), {}
    yield ({"current": small, "reference": sparse},), {"context": {"computation": "kl_divergence"}}
    yield (small,), {"context": {"reference": small}}
    yield (small,), {"monitor": 3}


QUESTIONS: dict[str, Callable[[Any], Iterator[Call]]] = {
    "adaptive_monitoring_strategy": strategies,
    "calculate_adaptive_window": windows,
    "calculate_feature_importance": importances,
    "detect_drift": drifts,
    "generate_alerts": alerts,
    "monitor_with_recovery": recoveries,
}


def told(function: Callable[..., Any], call: Call) -> str:
    """Return the answer or the error as text, without the duration."""
    try:
        answer = function(*call[0], **call[1])
    except Exception as error:  # noqa: BLE001 -- both environments must raise the same error
        return f"{type(error).__name__}: {error}"
    if hasattr(answer, "duration_ms"):
        answer = dataclasses.replace(answer, duration_ms=0.0)
    return repr(answer).replace("answers.<locals>", "")


def answers(path: Path) -> list[str]:
    """Return the answers of one module to all calls of its policy."""
    results = importlib.import_module("poet_runtime.results")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # its answers may be pickled
    spec.loader.exec_module(module)
    policy = path.stem.rpartition("_v")[0]
    function = getattr(module, policy)
    return [told(function, call) for call in QUESTIONS[policy](results)]


def main(how: str, out: Path, modules: Sequence[Path]) -> None:
    """Write the answers of every module."""
    if how == "base":
        sys.meta_path.insert(0, BaseInstall())
    found = {str(path): answers(path) for path in modules}
    out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), [Path(each) for each in sys.argv[3:]])
