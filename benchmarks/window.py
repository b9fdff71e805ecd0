"""Power of the window policy's learner, and its rate of adoptions on noise.

    python benchmarks/window.py            # quick: 40 histories
    python benchmarks/window.py --full     # 200 histories

Noise: window, velocity, feature, delay, false alarms and timeouts are drawn independently of each other, with
a plan every 10 of 300 events; the result is the share of histories that ever adopt a rule. Power: events like
those of the reference scenario; the result is the share of histories with each of its branches after a number
of events of each kind.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.history import record
from benchmarks.results import machine
from poet.learning.configuration import LearnConfiguration
from poet.policies.calculate_adaptive_window.learner.learn import learn
from poet.policies.calculate_adaptive_window.policy import SPEC
from poet.spec.decisions import Decisions
from poet.summaries import Summaries

Row = dict[str, Any]

_HOURS_BETWEEN = 2.0
STABLE = ("conversions", "revenue")
VELOCITIES = {  # points per hour
    "revenue": 8_000.0,
    "conversions": 20_000.0,
    "click_rate": 12_000.0,
    "page_views": 30_000.0,
    "user_age": 1_000.0,
    "basket_size": 2_000.0,
}
FEATURES = tuple(VELOCITIES)
NOISE_WINDOWS = (500, 1_000, 5_000, 10_000, 50_000)

_COLUMNS: dict[str, pa.Schema] = {
    "delays": pa.schema(
        [
            ("feature", pa.string()),
            ("window_size", pa.int64()),
            ("data_velocity", pa.float64()),
            ("delay_hours", pa.float64()),
        ]
    ),
    "noise": pa.schema(
        [
            ("feature", pa.string()),
            ("window_size", pa.int64()),
            ("false_alarms_per_day", pa.float64()),
            ("data_velocity", pa.float64()),
        ]
    ),
    "performance": pa.schema(
        [
            ("feature", pa.string()),
            ("window_size", pa.int64()),
            ("computation_time_ms", pa.float64()),
            ("memory_usage_mb", pa.float64()),
            ("timeout_occurred", pa.bool_()),
        ]
    ),
}
_ENVELOPE = [
    ("position", pa.int64()),
    ("event_id", pa.string()),
    ("source", pa.string()),
    ("time", pa.float64()),
]


def summaries_of(events: Iterable[tuple[str, Row]]) -> Summaries:
    """Return the learner's tables made of (table, row) pairs in log order."""
    rows: dict[str, list[Row]] = {name: [] for name in _COLUMNS}
    for position, (name, row) in enumerate(events, start=1):
        envelope = {
            "position": position,
            "event_id": f"e{position}",
            "source": f"user/{position % 4}",
            "time": position * _HOURS_BETWEEN * 3600.0,
        }
        rows[name].append(envelope | row)
    tables = {
        name: pa.Table.from_pylist(rows[name], schema=pa.schema([*_ENVELOPE, *columns]))
        for name, columns in _COLUMNS.items()
    }
    last = max((row["position"] for table in rows.values() for row in table), default=0)
    newest = max((row["time"] for table in rows.values() for row in table), default=0.0)
    given = tables | {"log_position": last, "log_prefix": "", "newest_time": newest}
    rest = {field.name: {} if "dict" in str(field.type) else pa.table({}) for field in fields(Summaries)}
    return Summaries(**cast("Any", rest | given))


def noise_event(rng: np.random.Generator) -> tuple[str, Row]:
    """Return a random event with independent fields; half of the outcomes are tied."""
    row: Row = {"feature": str(rng.choice(FEATURES)), "window_size": int(rng.choice(NOISE_WINDOWS))}
    velocity = float(rng.choice((200.0, 1_000.0, 8_000.0, 20_000.0)))
    outcome = float(np.round(rng.lognormal(0.5, 1.0)))
    match rng.integers(3):
        case 0:
            return "delays", row | {"data_velocity": velocity, "delay_hours": outcome}
        case 1:
            return "noise", row | {"data_velocity": velocity, "false_alarms_per_day": outcome}
        case _:
            return "performance", row | {"timeout_occurred": bool(rng.random() < 0.3)}


def scenario_event(rng: np.random.Generator, kind: str) -> tuple[str, Row]:
    """Return a random event of the reference scenario.

    Fast features: delay grows with the window, and small windows are noisy only for revenue and conversions.
    Slow features: small windows are noisy and no faster. Runs of 50 000 points time out.
    """
    if kind == "performance":
        window = int(
            rng.choice((500, 1_000, 5_000, 10_000, 20_000, 50_000), p=(0.2, 0.15, 0.2, 0.15, 0.1, 0.2))
        )
        return kind, {
            "window_size": window,
            "timeout_occurred": bool(window >= 50_000 and rng.random() < 0.9),
        }
    feature = str(rng.choice(FEATURES))
    velocity = VELOCITIES[feature]
    is_fast = velocity > 5_000.0
    window = int(rng.choice((500, 2_000, 5_000, 10_000), p=(0.5, 0.15, 0.2, 0.15)))
    row: Row = {"feature": feature, "window_size": window, "data_velocity": velocity}
    if kind == "delays":
        hours = 0.2 + window / 1_000.0 if is_fast else 2.0 + window / 2_500.0
        return kind, row | {"delay_hours": hours * float(rng.lognormal(0.0, 0.3))}
    level = 1.0 if is_fast else max(1.0, 12.0 * (500.0 / window) ** 0.7)
    if feature in STABLE and window <= 500:
        level = 10.0
    return kind, row | {"false_alarms_per_day": level * float(rng.lognormal(0.0, 0.4))}


def ever_adopts(seed: int, *, events: int = 300, every: int = 10) -> bool:
    """Return whether a history of noise ever leads to an adoption, with a plan every `every` events."""
    rng = np.random.default_rng([20_240_115, seed])
    history = [noise_event(rng) for _ in range(events)]
    champion = SPEC.version_1("baseline")
    for n in range(every, events + 1, every):
        decisions = learn(summaries_of(history[:n]), champion, LearnConfiguration())
        if any(rule.status == "adopted" for rule in decisions.rules):
            return True
    return False


def branches(seed: int, n: int, *, every: int = 20) -> dict[str, bool]:
    """Return which branches of the scenario are learned after `n` events of each kind."""
    rng = np.random.default_rng([19_700_101, seed])
    history = [scenario_event(rng, kind) for _ in range(n) for kind in _COLUMNS]
    champion = SPEC.version_1("baseline")
    for m in range(every, n + 1, every):
        decisions = learn(summaries_of(history[: 3 * m]), champion, LearnConfiguration())
        if not decisions.behaves_as(champion):
            champion = decisions
    return {
        "fast 500": window_at(champion, 8_000.0) == 500,
        "slow 5000": window_at(champion, 1_000.0) == 5_000,
        "revenue and conversions doubled": stable(champion) == (STABLE, 2),
        "cap 45000": bounds(champion) == (100, 45_000),
    }


def window_at(decisions: Decisions, velocity: float) -> int:
    """Return the window of a velocity, before multipliers and bounds."""
    bands = [rule for rule in decisions.active if rule.kind == "band"]
    above = {cast("float", rule.condition.get("velocity_above", 0.0)): rule for rule in bands}
    return cast("int", above[max(edge for edge in above if velocity > edge)].parameters["window"])


def stable(decisions: Decisions) -> tuple[tuple[str, ...], int]:
    """Return the stable features and their multiplier."""
    for rule in decisions.active:
        if rule.kind == "stability":
            features = cast("list[str]", rule.parameters["features"])
            return tuple(features), cast("int", rule.parameters["multiplier"])
    return (), 1


def bounds(decisions: Decisions) -> tuple[int, int]:
    """Return the smallest and the largest window."""
    (rule,) = [rule for rule in decisions.active if rule.kind == "bounds"]
    return cast("int", rule.parameters["minimum"]), cast("int", rule.parameters["cap"])


def main(arguments: Sequence[str]) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--full", action="store_true", help="200 histories instead of 40")
    parser.add_argument(
        "--save", action="store_true", help="add the figures to benchmarks/results/history.jsonl"
    )
    options = parser.parse_args(arguments)
    histories = 200 if options.full else 40
    adopted = sum(ever_adopts(seed) for seed in range(histories))
    print(f"noise: {_share(adopted, histories)} histories ever adopted a rule; at most 5 % may")
    shares = {"histories of noise that adopted a rule (share)": adopted / histories}
    print("two thirds of delays and one third of noise reports at 500 points concern fast features")
    for n in (60, 120, 180):
        found = [branches(seed, n) for seed in range(histories)]
        row = ", ".join(f"{name} {sum(each[name] for each in found) / histories:.0%}" for name in found[0])
        complete = sum(all(f.values()) for f in found)
        print(f"power, {n} of each kind: {row}; all {_share(complete, histories)}")
        shares[f"{n} of each kind, histories that learned all (share)"] = complete / histories
    if options.save:
        record("window", shares, machine=machine())


def _share(hits: int, n: int) -> str:
    """Return a share with its exact (Clopper-Pearson) 95 % interval as text."""
    ends = binomtest(hits, n).proportion_ci(method="exact")
    return f"{hits} of {n} ({hits / n:.1%}, {ends.low:.1%}-{ends.high:.1%})"


if __name__ == "__main__":
    main(sys.argv[1:])
