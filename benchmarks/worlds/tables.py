"""Results of the learners on real tables with known truth."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.worlds.simulation import SimulatedEvent, module_of, run
from poet.spec.decisions import Decisions
from poet_runtime.results import DriftResult

__all__ = ["report"]

COLLECTION = Path(__file__).resolve().parents[3] / "shared" / "data" / "dev"
_DAY = 86_400.0
_MOST = 30  # features that fire together in one incident


def report() -> None:
    """Print the result for each table, or that there is no collection."""
    if not COLLECTION.is_dir():
        print(f"real tables: skipped, no collection in {COLLECTION}")
        return
    print("real tables")
    _car_loan()
    _alerts()
    _petshop()
    _openb()
    _genai()


def _rows(name: str) -> list[dict[str, Any]]:
    return list(pq.read_table(COLLECTION / f"events_{name}.parquet").to_pylist())


def _learn(name: str, events: list[SimulatedEvent], *, plans: int = 10) -> Decisions:
    return run(name, events, plans=plans)[-1][1]


def _car_loan() -> None:
    """Learn importances from chunks of a loan model; the truth is which drifts coincide with AUC losses."""
    rows = [row for row in _rows("feature_impact_car_loan") if row["js"] >= 0.02]
    events = [
        SimulatedEvent(
            "feature.drift_impact",
            {"feature": row["feature"], "drift_score": row["js"], "model_performance_drop": row["auc_drop"]},
            source=f"user/{k % 4}",
            time=row["chunk"] * 30 * _DAY + k * 60.0,
        )
        for k, row in enumerate(rows)
    ]
    decisions = _learn("calculate_feature_importance", events)
    learned = [rule.id for rule in decisions.active if rule.evidence]
    print(
        f"  car loan: {len(rows)} drifts of {len({r['feature'] for r in rows})} features; adopted: {learned}"
    )


def _alerts() -> None:
    """Learn from three scenarios of a test bed which alert types are useless; evaluate on the fourth."""
    rows = _rows("alerts_ait")
    training = [row for row in rows if row["scenario"] != "santos"]
    chance = np.random.default_rng(0)
    sampled = sorted(chance.choice(len(training), 1500, replace=False))
    events: list[SimulatedEvent] = []
    for k, row in enumerate(training[each] for each in sampled):
        time = k * 600.0
        raised = {"alert_id": f"a{k}", "features": [row["short"]], "severity": "medium"}
        useful = row["time_label"] != "false_positive"
        events.append(SimulatedEvent("alert.raised", raised, source="monitor/ait", time=time))
        events.append(
            SimulatedEvent(
                "alert.usefulness",
                {"alert_batch": [f"a{k}"], "investigated": [f"a{k}"], "useful": useful},
                source=f"user/{k % 4}",
                time=time + 60.0,
            )
        )
    decisions = _learn("generate_alerts", events)
    useless = {
        feature
        for rule in decisions.active
        if rule.kind == "suppress"
        for feature in _texts(rule.condition["features"])
    }
    suppressed = [row for row in rows if row["scenario"] == "santos" and row["short"] in useless]
    false = sum(row["time_label"] == "false_positive" for row in suppressed)
    n = sum(row["scenario"] == "santos" for row in rows)
    types = len({row["short"] for row in rows})
    share = false / max(len(suppressed), 1)
    print(
        f"  test bed alerts: 1500 labels suppress {len(useless)} of {types} types; "
        f"of the unseen scenario {len(suppressed)} of {n} alerts, {share:.1%} of them false"
    )


def _petshop() -> None:
    """Learn from the larger part of the incidents; count the alerts that are left in the others."""
    incidents: defaultdict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in _rows("petshop_rca"):
        if row["z"] is not None and abs(row["z"]) > 3.0:
            incidents[row["part"], row["scenario"], row["issue"]].append(row)
    training = {key: rows for key, rows in incidents.items() if key[0] == "test"}
    decisions = _learn("generate_alerts", list(_batches(training)))
    generate_alerts = module_of(decisions).generate_alerts
    before = after = 0
    for key, rows in incidents.items():
        if key not in training:
            fired = sorted({_metric(row) for row in rows})
            before += len(fired)
            after += len(generate_alerts([_drift(name) for name in fired], now=0.0).alerts)
    learned = sorted(rule.id for rule in decisions.active if rule.evidence)
    print(
        f"  petshop: from {len(training)} incidents {learned}; in {len(incidents) - len(training)} others "
        f"{before} alerts become {after}"
    )


def _drift(feature: str) -> DriftResult:
    return DriftResult(drifted=True, score=2.0, threshold=1.0, test="z", feature=feature)


def _batches(incidents: dict[tuple[str, str, str], list[dict[str, Any]]]) -> Iterator[SimulatedEvent]:
    for k, key in enumerate(sorted(incidents)):
        fired = sorted({_metric(row) for row in incidents[key]})[:_MOST]
        time = k * _DAY
        for feature in fired:
            raised = {"alert_id": f"a{k}-{feature}", "features": [feature]}
            yield SimulatedEvent("alert.raised", raised, source="monitor/petshop", time=time)
        if len(fired) > 1:
            alerts = [f"a{k}-{feature}" for feature in fired]
            answer = {"alert_batch": alerts, "investigated": alerts[:1], "useful": True}
            yield SimulatedEvent(
                "alert.usefulness",
                answer | {"feedback": "all_same_root_cause"},
                source=f"user/{k % 4}",
                time=time + 600.0,
            )


def _openb() -> None:
    """Learn from jobs that ended; their failures depend on memory."""
    rows = [row for row in _rows("pods_openb") if row["pod_phase"] in ("Failed", "Succeeded", "Running")]
    rows.sort(key=lambda row: row["creation_time"])
    events = [
        SimulatedEvent(
            "monitoring.performance",
            {
                "window_size": max(int(row["memory_mib"]), 1),
                "computation_time_ms": 1000.0,
                "timeout_occurred": row["pod_phase"] == "Failed",
            },
            source=f"monitor/{k % 4}",
            time=k * 3600.0,
        )
        for k, row in enumerate(rows)
    ]
    decisions = _learn("monitor_with_recovery", events, plans=5)
    _sizes("cluster jobs, memory as size", events, decisions)


def _genai() -> None:
    """Learn from requests whose failures do not depend on size: no rule about size may be adopted."""
    rows = sorted(_rows("requests_genai"), key=lambda row: row["gmt_create"])
    events = [
        SimulatedEvent(
            "monitoring.performance",
            {
                "window_size": max(int(1000 * row["work"]), 1),
                "computation_time_ms": 1000.0 * row["exec_time_seconds"],
                "timeout_occurred": row["predict_status"] != "SUCCEED",
            },
            source=f"monitor/{k % 4}",
            time=datetime.fromisoformat(row["gmt_create"]).timestamp() + k * 1e-3,
        )
        for k, row in enumerate(rows)
        if row["work"] and row["exec_time_seconds"] is not None
    ]
    decisions = _learn("monitor_with_recovery", events, plans=5)
    _sizes("image requests, steps as size", events, decisions)


def _sizes(what: str, events: list[SimulatedEvent], decisions: Decisions) -> None:
    failed = sum(bool(each.data["timeout_occurred"]) for each in events)
    rules = {rule.id: rule for rule in decisions.rules if rule.kind == "sample"}
    sample = rules.get("sample")
    text = "none" if sample is None or sample.evidence is None else (
        f"{sample.status}, e-value {sample.evidence.e_value:.3g}, "
        f"threshold {sample.evidence.e_value_threshold:.3g}"
    )  # fmt: skip
    print(f"  {what}: {failed} of {len(events)} failed; rule about size: {text}")


def _metric(row: dict[str, Any]) -> str:
    return f"{row['service']}/{row['metric']}/{row['stat']}"


def _texts(values: object) -> list[str]:
    return [str(each) for each in values] if isinstance(values, list | tuple) else []
