"""Plan alerts for random results, a million times.

Run it as ``python -m tests.policies.generate_alerts.million_alerts [CASES]``.
"""

import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from poet.spec import policy
from poet.spec.decisions import Decisions, Rule
from poet_runtime.results import Alert, AlertPlan, DriftResult
from tests.modules import module_of

FEATURES = ("a", "b", "c", "d", "useless", "noisy", "")
IMPACTS = ("", "", "none", "low", "medium", "high", "critical")
NOW = 1_000_000.0


def decisions() -> Decisions:
    """Give decisions with every kind of rule: two suppressions, a cool-down, overlapping groups, a batch."""
    start = policy("generate_alerts").version_1("baseline")
    learned = (
        Rule(id="batch", kind="batch", condition={"at_least": 3}, status="adopted"),
        Rule(
            id="cool-down",
            kind="cool_down",
            condition={"severity_below": "critical"},
            parameters={"seconds": 3600.0, "factor": 1.5},
            status="adopted",
        ),
        *(
            Rule(
                id=f"group-{features[0]}",
                kind="group",
                condition={"features": list(features)},
                parameters={"at_least": 2},
                status="adopted",
            )
            for features in (("a", "b"), ("b", "c"))
        ),
        *(
            Rule(
                id=f"useless-{feature}",
                kind="suppress",
                condition={
                    "features": [feature],
                    "until": NOW + offset,
                    "severity_below": floor,
                    "ratio_at_most": ratio,
                },
                parameters={"holdout": 0.1},
                status="adopted",
            )
            for feature, offset, floor, ratio in (
                ("noisy", 1e5, "critical", 2.0),
                ("useless", -10.0, "high", None),
            )
        ),
    )
    return Decisions(policy=start.policy, start=start.start, version=2, rules=(*start.rules, *learned))


def results(chance: random.Random) -> list[DriftResult]:
    """Draw up to nine results, some alike."""
    return [
        DriftResult(
            drifted=chance.random() < 0.8,
            score=chance.choice((0.1, 1.2, 1.5, 1.6, 9.0, float("nan"))),
            threshold=chance.choice((1.0, 0.05, 0.0)),
            test="t",
            direction=chance.choice(("above", "below")),
            feature=chance.choice(FEATURES),
            execution_id=chance.choice(("", "x1", f"x{chance.random():.9f}")),
            business_impact=chance.choice(IMPACTS),
        )
        for _ in range(chance.randrange(10))
    ]


def history(chance: random.Random, given: Sequence[DriftResult]) -> list[Any]:
    """Draw earlier alerts about some of the features."""
    groups = ("", "group-a", "group-b")
    alerts = [
        Alert(members=(each,), raised_at=NOW - chance.uniform(-100.0, 7200.0), group=chance.choice(groups))
        for each in given
        if chance.random() < 0.3
    ]
    return [AlertPlan(alerts=tuple(alerts))] if chance.random() < 0.5 else list(alerts)


def lost(cases: int, *, seed: int = 0) -> int:
    """Plan so many cases and count those in which a drifted result is lost, doubled or wrongly held back."""
    chance = random.Random(seed)
    plan_alerts = module_of(decisions()).generate_alerts
    wrong = 0
    for _ in range(cases):
        given = results(chance)
        now = None if chance.random() < 0.1 else NOW + chance.choice((-20.0, 0.0, 1e5, 2e5))
        plan = plan_alerts(given, history=history(chance, given), now=now)
        found = [id(member) for alert in plan.alerts for member in alert.members]
        found += [id(each.member) for each in plan.suppressed]
        critical = any(each.member.business_impact == "critical" for each in plan.suppressed)
        wanted = sorted(id(each) for each in given if each.drifted)
        wrong += critical or sorted(found) != wanted or not all(each.rule for each in plan.suppressed)
    return wrong


def main() -> None:
    """Run and print."""
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    begun = time.perf_counter()
    wrong = lost(cases)
    took = time.perf_counter() - begun
    sys.stdout.write(f"{wrong} of {cases} cases lost a result or held back a critical one; {took:.0f} s\n")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
