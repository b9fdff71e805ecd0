"""Rate of adoptions on noise: labels independent of the data, where every decision costs the same.

If a miss costs three false alarms and one case in four is a real drift, then alerts and non-alerts cost the
same, whatever the scores. Any adoption is then an error. The learner runs after every 10 labels.

    python benchmarks/noise.py [--histories 200] [--answers 300]
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.history import record
from benchmarks.replayed import LabelingBehavior, World, run
from benchmarks.results import machine
from poet.stats import rate_interval

TESTS = (
    *((f"{name}/{preparation}", True) for preparation in ("raw", "deseasonalized")
      for name in (
          "wasserstein", "ks", "mean_shift", "median_shift", "scale_shift", "mean_absolute_difference"
      )),
    *((f"{name}/raw", False) for name in ("psi", "jensen_shannon", "mann_whitney", "levene")),
)  # fmt: skip
RATE = 0.25


def noise_world(cases: int, seed: int) -> World:
    """Return a world with scores that are correlated as real ones are, and independent of the labels."""
    chance = np.random.default_rng(seed)
    common = chance.standard_normal(cases)
    scores = {}
    for test, is_calibrated in TESTS:
        own = np.full(cases, 0.2)
        statistic = own * np.exp(0.8 * common + 0.5 * chance.standard_normal(cases))
        scores[test, "statistic"] = statistic
        scores[test, "p_value"] = np.exp(-30.0 * statistic)
        if is_calibrated:
            scores |= {(test, "null_q90"): own, (test, "null_max"): 1.3 * own}
            scores |= {(test, "null_mean"): 0.5 * own, (test, "null_sd"): 0.3 * own}
    return World(
        label=chance.random(cases) < RATE,
        group=np.array([""] * cases, object),
        is_seasonal=chance.random(cases) < 0.5,
        n_reference=np.full(cases, 1000),
        scores=scores,
    )


def adopts_anything(seed: int, *, start: str, answers: int) -> bool:
    """Return whether anything is adopted in one history, with a plan every 10 labels."""
    world = noise_world(3 * answers, seed)
    order = np.arange(len(world.label))
    # no reports of misses: such a report implies a real drift, and noise has none
    labeling = LabelingBehavior(reported_misses=0.0, every=10)
    return bool(run(world, order, start=start, seed=seed, labeling=labeling, at_most=answers).adoptions)


def main() -> None:
    """Print the rate of histories in which anything was adopted, with its interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=200)
    parser.add_argument("--answers", type=int, default=300)
    parser.add_argument(
        "--save", action="store_true", help="add the figures to benchmarks/results/history.jsonl"
    )
    options = parser.parse_args()
    shares: dict[str, float] = {}
    for start in ("ks", "calibrated"):
        adopted = sum(
            adopts_anything(seed, start=start, answers=options.answers) for seed in range(options.histories)
        )
        low, high = rate_interval(adopted, options.histories, risk=0.05)
        print(
            f"detect_drift, start = {start}: {adopted} of {options.histories} histories of noise adopted a "
            f"rule ({100 * adopted / options.histories:.1f} %, {100 * low:.1f}-{100 * high:.1f} %), "
            "guaranteed: at most 5 %",
            flush=True,
        )
        shares[f"start={start}, histories of noise that adopted a rule (share)"] = adopted / options.histories
    if options.save:
        record("noise", shares, machine=machine())


if __name__ == "__main__":
    main()
