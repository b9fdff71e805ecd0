"""Rules of `monitor_with_recovery`, as a learner returns them."""

import msgspec

from poet.spec import policy
from poet.spec.decisions import Decisions, Rule

__all__ = ["deadline", "decisions_of", "fallback", "sample", "sparse"]


def decisions_of(*rules: Rule) -> Decisions:
    """Return the decisions of version 2: the run and these rules."""
    first = policy("monitor_with_recovery").version_1("")
    every = tuple(sorted((*first.rules, *rules), key=lambda rule: rule.id))
    return msgspec.structs.replace(first, version=2, revises=1, rules=every)


def sparse(*, above: float = 0.9, loss: float = 0.1) -> Rule:
    """Return a rule that monitors presence above this share of missing values."""
    return _rule("sparse", "sparse", {"missing_above": above}, {"quality_loss": loss})


def sample(*, above: int = 5000, rows: int = 1000, loss: float = 0.05) -> Rule:
    """Return a rule that samples tables with more rows than this."""
    return _rule("sample", "sample", {"rows_above": above}, {"rows": rows, "quality_loss": loss})


def deadline(
    computation: str | None = None,
    *,
    rows: tuple[int, int] = (100, 2000),
    features: tuple[int, int] = (2, 8),
    seconds: float = 0.02,
    per_rows: float = 0.5,
    per_features: float = 0.25,
) -> Rule:
    """Return a deadline for this computation, or for all others."""
    return _rule(
        f"deadline-{computation}" if computation else "deadline",
        "deadline",
        {
            "computation": computation,
            "rows_from": rows[0],
            "rows_to": rows[1],
            "features_from": features[0],
            "features_to": features[1],
        },
        {"seconds": seconds, "per_rows": per_rows, "per_features": per_features},
    )


def fallback(
    error: str,
    *,
    strategies: tuple[str, ...] = ("sampled", "by_feature"),
    losses: tuple[float, ...] | None = None,
    rows: int = 300,
    rows_above: int | None = None,
) -> Rule:
    """Return a rule that tries these strategies after an error."""
    losses = tuple(0.05 * (k + 1) for k in range(len(strategies))) if losses is None else losses
    return _rule(
        f"fallback-{error}",
        "fallback",
        {"error": error, "rows_above": rows_above},
        {"strategies": list(strategies), "rows": rows, "quality_losses": list(losses)},
    )


def _rule(identity: str, kind: str, condition: dict[str, object], parameters: dict[str, object]) -> Rule:
    return Rule(
        id=identity,
        kind=kind,
        condition=condition,
        parameters=parameters,
        status="adopted",
        was="a full run",
        reason="a sample is enough",
        since_version=2,
    )
