"""Every policy in simulated worlds with known truth, and on real tables if they are available.

    python benchmarks/scenarios.py             # quick: 20 and 6 histories
    python benchmarks/scenarios.py --noise 200 --truth 20     # takes one to two hours
    python benchmarks/scenarios.py --policy generate_alerts

For each policy, the report contains:

- the rate of adoptions on noise
- the share of the gap between version 1 and the oracle that is closed, by number of events
- the number of relevant events until each truth is learned
- the number of half-lives until a false rule is dropped
- the effect of one hostile source with 10, 20 and 30 % of the votes
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

from benchmarks.history import record
from benchmarks.results import machine
from benchmarks.worlds import tables
from benchmarks.worlds.simulation import run
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
EPOCH_EVENTS, EPOCHS = 60, 12  # of noise that is read in epochs: events per epoch, number of epochs
HALF_LIFE_EVENTS = 100  # in the worlds that change
FLIP_GAP_HOURS = 90.0 * 24.0 / HALF_LIFE_EVENTS


def world(name: str) -> ModuleType:
    """Return the world of a policy."""
    return importlib.import_module(f"benchmarks.worlds.{name}")


def started(name: str) -> Decisions:
    """Return version 1 in that world."""
    spec = policy(name)
    return spec.version_1(getattr(world(name), "START", spec.starts[0]))


def adopts_noise(name: str, seed: int) -> bool:
    """Return whether a rule is ever adopted in a history of noise, with a plan every ten events."""
    path = run(name, world(name).history(seed, EVENTS, kind="noise"), plans=PLANS, start=started(name))
    first = started(name)
    return any(not decisions.behaves_as(first) for _, decisions in path)


def adopts_noise_over_epochs(name: str, seed: int) -> bool:
    """Return whether a rule is ever adopted in a long history of noise that is read in short epochs."""
    events = world(name).history(seed, EPOCHS * EPOCH_EVENTS, kind="noise")
    path = run(
        name, events, plans=EPOCHS * EPOCH_EVENTS // 10, start=started(name), epoch_events=EPOCH_EVENTS
    )
    first = started(name)
    return any(not decisions.behaves_as(first) for _, decisions in path)


def losses(name: str, seed: int) -> list[float]:
    """Return the loss of version 1, then of the version after every third plan."""
    here = world(name)
    path = run(name, here.history(seed, EVENTS), plans=PLANS, start=started(name))
    return [here.loss(started(name)), *(here.loss(path[k][1]) for k in range(2, PLANS, 3))]


def relevant_events(name: str, seed: int) -> dict[str, float]:
    """Return the number of relevant events before each truth was learned; infinity if it was not."""
    here = world(name)
    events = here.history(seed, 2 * EVENTS)
    path = run(name, events, plans=2 * PLANS, start=started(name))
    found: dict[str, float] = {}
    for n, decisions in path:
        for truth, holds in here.learned_truths(decisions).items():
            if holds and truth not in found:
                found[truth] = float(sum(truth in here.relevant_truths(each) for each in events[:n]))
    return {truth: found.get(truth, float("inf")) for truth in here.learned_truths(started(name))}


def half_lives_to_unlearn(name: str, seed: int) -> float:
    """Return the number of half-lives after a change of the world until no stale rule is left."""
    here = world(name)
    events = here.history(seed, FLIP_UNTIL, flip_at=FLIP_AFTER, gap_hours=FLIP_GAP_HOURS)
    path = run(name, events, plans=FLIP_PLANS, start=started(name))
    for k, (_, decisions) in enumerate(path, start=1):
        n = FLIP_UNTIL * k // FLIP_PLANS
        if n > FLIP_AFTER and not is_stale(name, decisions):
            return (n - FLIP_AFTER) / HALF_LIFE_EVENTS
    return float("inf")


def is_stale(name: str, decisions: Decisions) -> bool:
    """Return whether a version costs more in the changed world than version 1."""
    here = world(name)
    if hasattr(here, "is_stale"):
        return bool(here.is_stale(decisions))
    return bool(here.loss(decisions, flipped=True) > here.loss(started(name), flipped=True) + 1e-9)


def effect_of_hostile_source(name: str, hostile: float, seed: int) -> tuple[float, float, int, int]:
    """Return the effect of one source that reports the opposite, with this share of the votes.

    The values are the loss with its votes, the loss without them, the number of rules that are active only
    with them, and the number that are active only without them.
    """
    here = world(name)
    events = here.history(seed, WITH_HOSTILE, hostile=hostile)
    honest = [each for each in events if not each.source.endswith("/hostile")]
    ends = [run(name, each, plans=6, start=started(name))[-1][1] for each in (events, honest)]
    rules = [{rule.id for rule in end.active} for end in ends]
    return here.loss(ends[0]), here.loss(ends[1]), len(rules[0] - rules[1]), len(rules[1] - rules[0])


def report(name: str, noise: int, truth: int, each: Callable[..., list[Any]]) -> dict[str, float]:
    """Print the results of one policy, and return the figures to keep."""
    adopted = sum(each(partial(adopts_noise, name), range(noise)))
    figures = {f"{name}, histories of noise that adopted a rule (share)": adopted / noise}
    print(
        f"{name}\n  noise: {_share(adopted, noise)} histories ever adopted a rule; guaranteed: at most 5 %",
        flush=True,
    )
    adopted = sum(each(partial(adopts_noise_over_epochs, name), range(noise)))
    print(
        f"  over {EPOCHS} epochs of {EPOCH_EVENTS} events: {_share(adopted, noise)}; guaranteed: at most 5 %",
        flush=True,
    )
    figures[f"{name}, the same over {EPOCHS} epochs (share)"] = adopted / noise
    paths = np.array(each(partial(losses, name), range(truth)), dtype=np.float64)
    first, mean = paths[:, 0].mean(), paths.mean(axis=0)
    steps = range(0, EVENTS + 1, EVENTS // (len(mean) - 1))
    progress = ", ".join(f"{n}: {100.0 * (1.0 - m / first):.0f}" for n, m in zip(steps, mean, strict=True))
    print(f"  gap between version 1 and the oracle that is closed, in percent, by events: {progress}")
    figures[f"{name}, closed gap to the oracle after {EVENTS} events (share)"] = 1.0 - mean[-1] / first
    _print_relevant(each(partial(relevant_events, name), range(truth)))
    ends = np.array(each(partial(half_lives_to_unlearn, name), range(truth)), dtype=np.float64)
    print(f"  unlearned after {_typical(ends, '.1f')} half-lives")
    for hostile in (0.1, 0.2, 0.3):
        work = partial(effect_of_hostile_source, name, hostile)
        lost, without, more, fewer = np.array(each(work, range(truth)), dtype=np.float64).T
        ways = [100.0 * (1.0 - each.mean() / first) for each in (lost, without)]
        print(
            f"  {hostile:.0%} hostile of {WITH_HOSTILE} events: {ways[0]:.0f} % of the gap closed, "
            f"{ways[1]:.0f} % without them; "
            f"in {truth} histories {more.sum():.0f} rules more, {fewer.sum():.0f} fewer",
            flush=True,
        )
    return figures


def _print_relevant(needed: Sequence[dict[str, float]]) -> None:
    for truth in needed[0]:
        counts = np.array([history[truth] for history in needed])
        print(f"  {truth}: learned after {_typical(counts, '.0f')} relevant events")


def _typical(values: NDArray[np.float64], form: str) -> str:
    """Return the median and the 90 % quantile as text."""
    return f"{np.median(values):{form}} (90 % quantile: {np.quantile(values, 0.9, method='higher'):{form}})"


def _share(hits: int, n: int) -> str:
    """Return a share with its exact (Clopper-Pearson) 95 % interval as text."""
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
    parser.add_argument(
        "--save", action="store_true", help="add the figures to benchmarks/results/history.jsonl"
    )
    options = parser.parse_args(arguments)
    figures: dict[str, float] = {}
    with ProcessPoolExecutor() as pool:

        def each(work: Callable[[int], Any], seeds: Sequence[int]) -> list[Any]:
            return list(pool.map(work, seeds, chunksize=2))

        for name in options.policy or POLICIES:
            figures |= report(name, options.noise, options.truth, each)
    if options.save:
        record("scenarios", figures, machine=machine())
    if not options.policy:
        tables.report()


if __name__ == "__main__":
    main(sys.argv[1:])
