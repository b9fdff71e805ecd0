"""Every policy in simulated worlds with known truth, and on real tables where they are at hand.

    python benchmarks/scenarios.py             # quick: 20 and 6 histories
    python benchmarks/scenarios.py --noise 200 --truth 20     # takes an hour or two
    python benchmarks/scenarios.py --policy generate_alerts

For each policy: how often noise ever makes it adopt a rule; how much of the way from version 1 to the
oracle it has gone after so many events; after how many events that speak of a truth it is learned; in how
many half-lives it drops what has become false; and what one hostile source with a tenth, a fifth, three
tenths of the votes changes against its silence.
"""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.worlds import tables
from benchmarks.worlds.told import run
from poet.spec import policy
from poet.spec.decisions import Decisions

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
PAGE, PAGES = 60, 12  # of noise that is read in pages: events, and how many
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


def adopts_noise_over_pages(name: str, seed: int) -> bool:
    """Whether a long history of noise ever teaches a rule, read in short pages."""
    said = world(name).history(seed, PAGES * PAGE, kind="noise")
    path = run(name, said, plans=PAGES * PAGE // 10, start=started(name), page=PAGE)
    first = started(name)
    return any(not decisions.behaves_as(first) for _, decisions in path)


def losses(name: str, seed: int) -> list[float]:
    """Give the loss of version 1, then after each tenth plan."""
    here = world(name)
    path = run(name, here.history(seed, EVENTS), plans=PLANS, start=started(name))
    return [here.loss(started(name)), *(here.loss(path[k][1]) for k in range(2, PLANS, 3))]


def relevant_events(name: str, seed: int) -> dict[str, float]:
    """Give, for each of the world's truths, how many events that speak of it came before it was learned."""
    here = world(name)
    said = here.history(seed, 2 * EVENTS)
    path = run(name, said, plans=2 * PLANS, start=started(name))
    found: dict[str, float] = {}
    for n, decisions in path:
        for truth, holds in here.wanted(decisions).items():
            if holds and truth not in found:
                found[truth] = float(sum(truth in here.relevant(each) for each in said[:n]))
    return {truth: found.get(truth, float("inf")) for truth in here.wanted(started(name))}


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


def what_hostile_votes_change(name: str, hostile: float, seed: int) -> tuple[float, float, int, int]:
    """Let one source with this share of the votes say the opposite, and compare with its silence.

    Gives the loss with its votes, the loss without them, the rules that are there only with them, and those
    that are there only without them.
    """
    here = world(name)
    said = here.history(seed, WITH_HOSTILE, hostile=hostile)
    honest = [each for each in said if not each.source.endswith("/hostile")]
    ends = [run(name, each, plans=6, start=started(name))[-1][1] for each in (said, honest)]
    rules = [{rule.id for rule in end.active} for end in ends]
    return here.loss(ends[0]), here.loss(ends[1]), len(rules[0] - rules[1]), len(rules[1] - rules[0])


def report(name: str, noise: int, truth: int, each: Callable[..., list[Any]]) -> None:
    """Print one policy."""
    adopted = sum(each(partial(adopts_noise, name), range(noise)))
    print(
        f"{name}\n  noise: {_share(adopted, noise)} histories ever adopted a rule; at most 5 % may",
        flush=True,
    )
    adopted = sum(each(partial(adopts_noise_over_pages, name), range(noise)))
    print(f"  over {PAGES} pages of {PAGE} events: {_share(adopted, noise)}; at most 5 % may", flush=True)
    paths = np.array(each(partial(losses, name), range(truth)), dtype=np.float64)
    first, mean = paths[:, 0].mean(), paths.mean(axis=0)
    steps = range(0, EVENTS + 1, EVENTS // (len(mean) - 1))
    told = ", ".join(f"{n}: {100.0 * (1.0 - m / first):.0f}" for n, m in zip(steps, mean, strict=True))
    print(f"  way from version 1 to the oracle in per cent, by events: {told}")
    _print_relevant(each(partial(relevant_events, name), range(truth)))
    ends = np.array(each(partial(half_lives_to_unlearn, name), range(truth)), dtype=np.float64)
    print(f"  unlearned after {_typical(ends, '.1f')} half-lives")
    for hostile in (0.1, 0.2, 0.3):
        work = partial(what_hostile_votes_change, name, hostile)
        lost, without, more, fewer = np.array(each(work, range(truth)), dtype=np.float64).T
        ways = [100.0 * (1.0 - each.mean() / first) for each in (lost, without)]
        print(
            f"  {hostile:.0%} hostile of {WITH_HOSTILE} events: {ways[0]:.0f} % of the way, "
            f"{ways[1]:.0f} % had they been silent; "
            f"in {truth} histories {more.sum():.0f} rules more, {fewer.sum():.0f} fewer",
            flush=True,
        )


def _print_relevant(needed: Sequence[dict[str, float]]) -> None:
    for truth in needed[0]:
        counts = np.array([history[truth] for history in needed])
        print(f"  {truth}: learned after {_typical(counts, '.0f')} events that speak of it")


def _typical(values: NDArray[np.float64], form: str) -> str:
    """Give the median, and what nine in ten stay within."""
    return f"{np.median(values):{form}} (nine in ten: {np.quantile(values, 0.9, method='higher'):{form}})"


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

        def each(work: Callable[[int], Any], seeds: Sequence[int]) -> list[Any]:
            return list(pool.map(work, seeds, chunksize=2))

        for name in options.policy or POLICIES:
            report(name, options.noise, options.truth, each)
    if not options.policy:
        tables.report()


if __name__ == "__main__":
    main(sys.argv[1:])
