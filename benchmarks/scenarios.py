"""Every policy in simulated worlds with known truth, and on real tables where they are at hand.

    python benchmarks/scenarios.py             # quick: 20 and 6 histories
    python benchmarks/scenarios.py --noise 200 --truth 20     # takes an hour or two
    python benchmarks/scenarios.py --policy generate_alerts

For each policy: how often noise ever makes it adopt a rule; how much of the way from version 1 to the
oracle it has gone after so many events; in how many half-lives it drops what has become false; and what
one hostile source with a tenth, a fifth, three tenths of the votes changes.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.worlds import tables
from benchmarks.worlds.told import run
from poet.decisions import Decisions
from poet.policies import policy

POLICIES = (
    "detect_drift",
    "calculate_adaptive_window",
    "calculate_feature_importance",
    "generate_alerts",
    "monitor_with_recovery",
    "adaptive_monitoring_strategy",
)
EVENTS = 300
PLANS = 30
WITH_HOSTILE = 450  # events
FLIP_AFTER, FLIP_UNTIL, FLIP_PLANS = 300, 600, 30
HALF_LIFE_EVENTS = 100  # in the worlds that turn
FLIP_GAP_HOURS = 90.0 * 24.0 / HALF_LIFE_EVENTS


def world(name: str) -> ModuleType:
    """Give the world of a policy."""
    return importlib.import_module(f"benchmarks.worlds.{name}")


def started(name: str) -> Decisions:
    """Give version 1 in that world."""
    spec = policy(name)
    return spec.version_1(getattr(world(name), "START", spec.starts[0]))


def adopts_noise(name: str, seed: int) -> bool:
    """Whether a history of noise ever teaches a rule, a plan every ten events."""
    path = run(name, world(name).history(seed, EVENTS, kind="noise"), plans=PLANS, start=started(name))
    first = started(name)
    return any(not decisions.behaves_as(first) for _, decisions in path)


def losses(name: str, seed: int) -> list[float]:
    """Give the loss of version 1, then after each tenth plan."""
    here = world(name)
    path = run(name, here.history(seed, EVENTS), plans=PLANS, start=started(name))
    return [here.loss(started(name)), *(here.loss(path[k][1]) for k in range(2, PLANS, 3))]


def half_lives_to_unlearn(name: str, seed: int) -> float:
    """Give after how many half-lives nothing is left of what the turned world made false."""
    here = world(name)
    said = here.history(seed, FLIP_UNTIL, flip_at=FLIP_AFTER, gap_hours=FLIP_GAP_HOURS)
    path = run(name, said, plans=FLIP_PLANS, start=started(name))
    for k, (_, decisions) in enumerate(path, start=1):
        events = FLIP_UNTIL * k // FLIP_PLANS
        if events > FLIP_AFTER and not is_stale(name, decisions):
            return (events - FLIP_AFTER) / HALF_LIFE_EVENTS
    return float("inf")


def is_stale(name: str, decisions: Decisions) -> bool:
    """Whether a rule costs more in the turned world than version 1 would."""
    here = world(name)
    if hasattr(here, "is_stale"):
        return bool(here.is_stale(decisions))
    return bool(here.loss(decisions, flipped=True) > here.loss(started(name), flipped=True) + 1e-9)


def loss_with_hostile(name: str, hostile: float, seed: int) -> float:
    """Give the loss at the end when one source with this share of the votes says the opposite."""
    here = world(name)
    said = here.history(seed, WITH_HOSTILE, hostile=hostile)
    return float(here.loss(run(name, said, plans=6, start=started(name))[-1][1]))


def report(name: str, noise: int, truth: int, each: Callable[..., list[object]]) -> None:
    """Print one policy."""
    adopted = sum(map(bool, each(partial(adopts_noise, name), range(noise))))
    print(
        f"{name}\n  noise: {_share(adopted, noise)} histories ever adopted a rule; at most 5 % may",
        flush=True,
    )
    paths = np.array(each(partial(losses, name), range(truth)), dtype=np.float64)
    first, mean = paths[:, 0].mean(), paths.mean(axis=0)
    closed = 100.0 * (1.0 - mean / first)
    steps = range(0, EVENTS + 1, EVENTS // (len(mean) - 1))
    told = ", ".join(f"{n}: {c:.0f}" for n, c in zip(steps, closed, strict=True))
    print(f"  way from version 1 to the oracle in per cent, by events: {told}")
    ends = np.array(each(partial(half_lives_to_unlearn, name), range(truth)), dtype=np.float64)
    middle, late = np.median(ends), np.quantile(ends, 0.9, method="higher")
    print(f"  unlearned after {middle:.1f} half-lives (median), {late:.1f} (nine in ten)")
    for hostile in (0.0, 0.1, 0.2, 0.3):
        lost = np.array(each(partial(loss_with_hostile, name, hostile), range(truth)), dtype=np.float64)
        way = 100.0 * (1.0 - lost.mean() / first)
        print(f"  {hostile:.0%} hostile, {WITH_HOSTILE} events: {way:.0f} % of the way")


def _share(hits: int, n: int) -> str:
    """Print a share with its exact (Clopper-Pearson) 95 % interval."""
    ends = binomtest(hits, n).proportion_ci(method="exact")
    return f"{hits} of {n} ({hits / n:.1%}, {ends.low:.1%}-{ends.high:.1%})"


def main(arguments: Sequence[str]) -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--noise", type=int, default=20, help="histories of noise")
    parser.add_argument("--truth", type=int, default=6, help="histories of every other kind")
    parser.add_argument("--policy", action="append", choices=POLICIES)
    options = parser.parse_args(arguments)
    with ProcessPoolExecutor() as pool:

        def each(work: Callable[[int], object], seeds: Sequence[int]) -> list[object]:
            return list(pool.map(work, seeds, chunksize=2))

        for name in options.policy or POLICIES:
            report(name, options.noise, options.truth, each)
    if not options.policy:
        tables.report()


if __name__ == "__main__":
    main(sys.argv[1:])
