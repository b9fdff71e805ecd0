"""Learning from selected labels on real series with known truth.

Learns on the feedback of four fifths of the collection (parted by group), scores on the fifth, each
fifth in turn; beside it the rules people run untuned, and the best single rule that hindsight finds.

    python benchmarks/learning.py [--orders 10] [--collection PATH]
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.real_series import COLLECTION, collected, world_of
from benchmarks.replayed import People, World, run
from poet.policies.detect_drift.learner.candidates import numeric_grid
from poet.policies.detect_drift.learner.scopes import candidate_of, champion_fires
from poet.policies.detect_drift.learner.steps import firing
from poet.policies.detect_drift.rules import branches
from poet.spec import policy

CHECKPOINTS = (20, 40, 80, 160, 320, 640)
FOLDS = 5
MISS, FALSE_ALARM = 3.0, 1.0
Flags = NDArray[np.bool_]


def measures(alerts: Flags, label: Flags) -> tuple[float, float, float, float]:
    """Give precision, recall, false-alarm rate, balanced accuracy."""
    found = float((alerts & label).sum())
    recall = found / max(label.sum(), 1)
    false_alarms = float((alerts & ~label).sum()) / max((~label).sum(), 1)
    return found / max(alerts.sum(), 1), recall, false_alarms, (recall + 1.0 - false_alarms) / 2.0


def folds(world: World) -> NDArray[np.int64]:
    """Part by group into fifths of about the same number of cases."""
    names, sizes = np.unique(world.group.astype(str), return_counts=True)
    load, fold_of = np.zeros(FOLDS), {}
    for name, size in sorted(zip(names, sizes, strict=True), key=lambda pair: (-pair[1], pair[0])):
        fold_of[name] = int(load.argmin())
        load[fold_of[name]] += size
    return np.array([fold_of[name] for name in world.group.astype(str)])


def curves(world: World, start: str, orders: int) -> dict[str, list[Flags]]:
    """Learn each fold's complement in several orders; gives alerts on held-out cases by checkpoint."""
    fold = folds(world)
    held_out: dict[str, list[Flags]] = {}
    for seed in range(orders):
        alerts = {str(point): np.zeros(len(world.label), bool) for point in (*CHECKPOINTS, "end")}
        for each in range(FOLDS):
            teaching = np.flatnonzero(fold != each)
            order = np.random.default_rng(1000 * seed + each).permutation(teaching)
            history = run(world, order, start=start, seed=seed, people=People(), checkpoints=CHECKPOINTS)
            for point, flags in alerts.items():
                # feedback that ran out before a checkpoint leaves the last version in place
                answers = history.last if point == "end" else history.alerts_at.get(int(point), history.last)
                flags[fold == each] = answers[fold == each]
        for point, flags in alerts.items():
            held_out.setdefault(point, []).append(flags)
        print(f"  order {seed + 1} of {orders}: {history.answers} answers in its last fold", file=sys.stderr)
    return held_out


def best_with_hindsight(world: World) -> tuple[float, float, float, float]:
    """Choose the cheapest single rule of the learner's own grid on all labels."""
    calibrated = branches(policy("detect_drift").version_1("calibrated"))
    default = next(candidate_of(b.criteria) for b in calibrated if b.condition.kind == "numeric")
    answers = firing(world.executions(), numeric_grid(default))
    label = world.label[:, np.newaxis]
    cost = (FALSE_ALARM * (answers & ~label) + MISS * (~answers & label)).sum(axis=0)
    return measures(answers[:, int(cost.argmin())], world.label)


def _row(name: str, values: tuple[float, float, float, float]) -> None:
    print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


def main() -> None:
    """Print the table and the learning curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10)
    parser.add_argument("--collection", type=Path, default=COLLECTION)
    options = parser.parse_args()
    if not (options.collection / "dev").is_dir():
        print(f"skipped: no collection in {options.collection}")
        return
    world = world_of(collected(options.collection))
    everything = world.executions()
    spec = policy("detect_drift")
    print(
        f"{len(world.label)} numeric cases, {int(world.label.sum())} with a change; a miss costs {MISS:g}\n"
    )
    print("| rule | precision | recall | false alarms | balanced |\n| --- | --- | --- | --- | --- |")
    for start in ("ks", "psi", "wasserstein", "calibrated"):
        _row(
            f"v1, start = {start}, untaught",
            measures(champion_fires(everything, spec.version_1(start)), world.label),
        )
    _row("best single rule with hindsight", best_with_hindsight(world))
    for start in ("ks", "calibrated"):
        held_out = curves(world, start, options.orders)
        values = np.array([measures(flags, world.label) for flags in held_out["end"]])
        _row(f"learned from start = {start}, held-out fifths", tuple(values.mean(axis=0)))
        print(f"\nstart = {start}: balanced accuracy on held-out fifths, {options.orders} orders\n")
        print("| answers | mean | worst | false alarms | recall |\n| --- | --- | --- | --- | --- |")
        for point, flags in held_out.items():
            values = np.array([measures(each, world.label) for each in flags])
            mean = values.mean(axis=0)
            print(f"| {point} | {mean[3]:.3f} | {values[:, 3].min():.3f} | {mean[2]:.3f} | {mean[1]:.3f} |")
        print()


if __name__ == "__main__":
    main()
