"""Learning from selected labels on real series with known truth.

Five-fold cross-validation by group: learn on the feedback of four folds, score on the fifth. The baselines
are the untrained presets and the best single rule with hindsight.

    python benchmarks/learning.py [--orders 10] [--collection PATH]
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.history import record
from benchmarks.real_series import COLLECTION, load_collection, world_of
from benchmarks.replayed import LabelingBehavior, World, run
from benchmarks.results import machine
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
    """Return precision, recall, false-alarm rate and balanced accuracy."""
    found = float((alerts & label).sum())
    recall = found / max(label.sum(), 1)
    false_alarms = float((alerts & ~label).sum()) / max((~label).sum(), 1)
    return found / max(alerts.sum(), 1), recall, false_alarms, (recall + 1.0 - false_alarms) / 2.0


def folds(world: World) -> NDArray[np.int64]:
    """Return the fold of each case: whole groups, with about the same number of cases in each fold."""
    names, sizes = np.unique(world.group.astype(str), return_counts=True)
    load, fold_of = np.zeros(FOLDS), {}
    for name, size in sorted(zip(names, sizes, strict=True), key=lambda pair: (-pair[1], pair[0])):
        fold_of[name] = int(load.argmin())
        load[fold_of[name]] += size
    return np.array([fold_of[name] for name in world.group.astype(str)])


def curves(world: World, start: str, orders: int) -> dict[str, list[Flags]]:
    """Return alerts on held-out cases by checkpoint, after learning on the other folds in several orders."""
    fold = folds(world)
    held_out: dict[str, list[Flags]] = {}
    for seed in range(orders):
        alerts = {str(point): np.zeros(len(world.label), bool) for point in (*CHECKPOINTS, "end")}
        for each in range(FOLDS):
            training = np.flatnonzero(fold != each)
            order = np.random.default_rng(1000 * seed + each).permutation(training)
            history = run(
                world, order, start=start, seed=seed, labeling=LabelingBehavior(), checkpoints=CHECKPOINTS
            )
            for point, flags in alerts.items():
                # without feedback up to a checkpoint, the last version stays active
                answers = history.last if point == "end" else history.alerts_at.get(int(point), history.last)
                flags[fold == each] = answers[fold == each]
        for point, flags in alerts.items():
            held_out.setdefault(point, []).append(flags)
        print(f"  order {seed + 1} of {orders}: {history.answers} labels in its last fold", file=sys.stderr)
    return held_out


def best_with_hindsight(world: World) -> tuple[float, float, float, float]:
    """Return the measures of the cheapest single rule of the learner's grid on all labels."""
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
    parser.add_argument(
        "--save", action="store_true", help="add the figures to benchmarks/results/history.jsonl"
    )
    options = parser.parse_args()
    if not (options.collection / "dev").is_dir():
        print(f"skipped: no collection in {options.collection}")
        return
    world = world_of(load_collection(options.collection))
    everything = world.executions()
    spec = policy("detect_drift")
    print(
        f"{len(world.label)} numeric cases, {int(world.label.sum())} with a change; a miss costs {MISS:g}\n"
    )
    print("| rule | precision | recall | false alarms | balanced |\n| --- | --- | --- | --- | --- |")
    for start in ("ks", "psi", "wasserstein", "calibrated"):
        _row(
            f"v1, start = {start}, no feedback",
            measures(champion_fires(everything, spec.version_1(start)), world.label),
        )
    _row("best single rule with hindsight", best_with_hindsight(world))
    figures: dict[str, float] = {}
    for start in ("ks", "calibrated"):
        held_out = curves(world, start, options.orders)
        values = np.array([measures(flags, world.label) for flags in held_out["end"]])
        _row(f"learned from start = {start}, held-out folds", tuple(values.mean(axis=0)))
        figures[f"learned from start={start}, held-out folds (balanced accuracy)"] = values[:, 3].mean()
        print(f"\nstart = {start}: balanced accuracy on held-out folds, {options.orders} orders\n")
        print("| labels | mean | worst | false alarms | recall |\n| --- | --- | --- | --- | --- |")
        for point, flags in held_out.items():
            values = np.array([measures(each, world.label) for each in flags])
            mean = values.mean(axis=0)
            print(f"| {point} | {mean[3]:.3f} | {values[:, 3].min():.3f} | {mean[2]:.3f} | {mean[1]:.3f} |")
        print()
    if options.save:
        record("learning", figures, machine=machine())


if __name__ == "__main__":
    main()
