"""The scopes in which `detect_drift` can change, and the champion's rule in each.

From wide to narrow, the scopes are all numeric features, the seasonal or the steady ones, the categorical
ones, and single features. The widest scope has most of the weight, since most monitors are wrong in the same
way for all features.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from poet.policies.detect_drift.learner.candidates import Candidate
from poet.policies.detect_drift.learner.steps import Executions, fires
from poet.policies.detect_drift.rules import Condition, Criteria, branches
from poet.spec.decisions import Decisions

WEIGHTS: Final = {"numeric": 0.8, "seasonal": 0.05, "steady": 0.05, "categorical": 0.05}
FEATURES_WEIGHT: Final = 0.05
MOST_FEATURES: Final = 200


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope: its name, the executions it covers, its share of the risk, the scope it is pooled with."""

    name: str
    kind: str  # "numeric" or "categorical": which grid of candidates
    covers: NDArray[np.bool_]  # by execution
    weight: float
    feature: str = ""
    pooled_with: str | None = None

    @property
    def is_narrow(self) -> bool:
        """Return whether a wider rule applies if this scope has no rule."""
        return self.name not in ("numeric", "categorical")


def scopes_of(executions: Executions) -> tuple[Scope, ...]:
    """Return the scopes of a log, widest first; features by first appearance."""
    numeric = ~executions.is_categorical
    by_name = {
        "numeric": numeric,
        "seasonal": numeric & executions.is_seasonal,
        "steady": numeric & ~executions.is_seasonal,
        "categorical": executions.is_categorical,
    }
    wide = [
        Scope(
            name,
            "categorical" if name == "categorical" else "numeric",
            covers,
            WEIGHTS[name],
            pooled_with="numeric" if name in ("seasonal", "steady") else None,
        )
        for name, covers in by_name.items()
    ]
    return (*wide, *_features(executions))


def _features(executions: Executions) -> list[Scope]:
    """Return one scope per feature; the weights 1/(r(r+1)) by rank r of first appearance sum to at most 1."""
    features = np.array(executions.features, dtype=object)
    named = [name for name in dict.fromkeys(executions.features) if name]
    found = []
    for rank, name in enumerate(named[:MOST_FEATURES], start=1):
        covers = (features == name).astype(bool)
        kinds = set(executions.is_categorical[covers].tolist())
        if len(kinds) > 1:
            continue  # no single grid fits a feature that changes its kind
        kind = "categorical" if kinds.pop() else "numeric"
        weight = FEATURES_WEIGHT / (rank * (rank + 1))
        found.append(Scope(f"feature:{name}", kind, covers, weight, feature=name, pooled_with=kind))
    return found


def rule_id_of(scope: Scope) -> str:
    """Return the id of a rule of this scope, which is the same in every version."""
    if scope.feature:
        plain = re.sub(r"[^a-z0-9]+", "-", scope.feature.lower()).strip("-")[:32]
        digest = hashlib.sha256(scope.feature.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"feature-{plain}-{digest}" if plain else f"feature-{digest}"
    return {"seasonal": "numeric-seasonal", "steady": "numeric-steady"}.get(scope.name, scope.name)


def condition_of(scope: Scope) -> dict[str, object]:
    """Return the condition under which a rule of this scope decides."""
    if scope.feature:
        return {"kind": scope.kind, "features": [scope.feature]}
    if scope.name in ("seasonal", "steady"):
        return {"kind": "numeric", "seasonal": scope.name == "seasonal"}
    return {"kind": scope.kind}


def candidate_of(criteria: Criteria) -> Candidate:
    """Return the criteria of a rule as a candidate."""
    return Candidate(criteria.criteria, criteria.min_votes, prior_cost=0.0)


def champion_fires(executions: Executions, champion: Decisions) -> NDArray[np.bool_]:
    """Return the replayed answers of a version, shape (n,); the first branch that covers a row decides."""
    decided = np.zeros(len(executions.ids), bool)
    answer = np.zeros(len(executions.ids), bool)
    for branch in branches(champion):
        covered = covers(executions, branch.condition) & ~decided
        if covered.any():
            answer[covered] = fires(executions, candidate_of(branch.criteria))[covered]
        decided |= covered
    return answer


def covers(executions: Executions, condition: Condition) -> NDArray[np.bool_]:
    """Return a mask of the executions that a condition covers, shape (n,)."""
    covered = np.ones(len(executions.ids), bool)
    if condition.kind is not None:
        covered &= executions.is_categorical == (condition.kind == "categorical")
    if condition.seasonal is not None:
        covered &= executions.is_seasonal == condition.seasonal
    if condition.reference_at_most is not None:
        covered &= executions.n_reference <= condition.reference_at_most
    if condition.features:
        wanted = set(condition.features)
        covered &= np.array([name in wanted for name in executions.features], bool)
    return covered
