"""Updates of a policy's rules: pins and vetoes take precedence over evidence."""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from poet.learning.configuration import LearnConfiguration
from poet.learning.hypothesis_tests import HypothesisTest
from poet.spec.decisions import Decisions, Evidence, Interval, Replay, Rule
from poet.stats import bounded_mean_interval

_LONGEST: Final = 60  # characters of a rule's id
_MOST_SHOWN: Final = 5  # candidates of a kind that are shown
_PLAIN: Final = re.compile(r"[a-z0-9_]{1,40}")


def slug(*parts: str) -> str:
    """Return a rule id made of these parts; a digest keeps ids unique if characters are replaced or cut."""
    kept = ["".join(c if c.isascii() and c.isalnum() else "_" for c in part.lower()) for part in parts]
    identity = "-".join(kept)
    if len(identity) <= _LONGEST and all(map(_PLAIN.fullmatch, parts)):
        return identity
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{identity[: _LONGEST - len(digest) - 1]}-{digest}"


@dataclass(frozen=True, slots=True)
class RuleUpdate:
    """The champion, the workspace's configuration, and the log position up to which events were read."""

    champion: Decisions
    configuration: LearnConfiguration
    log_position: int

    @property
    def active_rules(self) -> dict[str, Rule]:
        """Return the champion's active rules, by id."""
        return {rule.id: rule for rule in self.champion.active}

    def pinned(self, rule: str) -> Rule | None:
        """Return the champion's rule if a person pinned it."""
        found = self.active_rules.get(rule)
        if found is None:
            return None
        if found.status == "pinned":
            return found
        is_pinned = self.configuration.is_pinned(self.champion.policy, rule)
        return msgspec.structs.replace(found, status="pinned") if is_pinned else None

    def is_vetoed(self, rule: str) -> bool:
        """Return whether a person vetoed the rule, now or in an earlier version."""
        was_vetoed = any(old.id == rule and old.status == "vetoed" for old in self.champion.rules)
        return was_vetoed or self.configuration.is_vetoed(self.champion.policy, rule)

    def carry_over(self, rule: Rule) -> Rule:
        """Return the champion's rule if it is equivalent; otherwise the rule, dated to the next version."""
        old = self.active_rules.get(rule.id)
        if old and (old.kind, old.condition, old.parameters) == (rule.kind, rule.condition, rule.parameters):
            return msgspec.structs.replace(old, evidence=rule.evidence or old.evidence)
        return msgspec.structs.replace(
            rule, since_version=self.champion.version + 1, since_position=self.log_position
        )

    def is_supported(self, rule: str, test: HypothesisTest | None) -> bool:
        """Return whether a rule is active: supported now, or earlier and not contradicted since."""
        if test and test.holds:
            return True
        return rule in self.active_rules and not (test and test.is_contradicted)

    def decide(self, rule: Rule, test: HypothesisTest | None) -> list[Rule]:
        """Return the outcome for a candidate: pinned, vetoed, adopted, unchanged, candidate, or nothing.

        `rule` is the candidate as it would be adopted. An active rule stays unchanged if its test no longer
        holds but recent evidence does not contradict it.
        """
        pinned = self.pinned(rule.id)
        if pinned:
            return [pinned]
        if self.is_vetoed(rule.id):
            return [Rule(id=rule.id, kind=rule.kind, status="vetoed", reason="vetoed by a person")]
        if test and test.holds:
            return [self.carry_over(rule)]
        if self.is_supported(rule.id, test):
            return [self.carry_over(self._unchanged(rule))]
        if test and test.e_value > 1.0 and not test.is_contradicted:
            return [msgspec.structs.replace(rule, status="candidate")]
        return []

    def _unchanged(self, rule: Rule) -> Rule:
        old = self.active_rules[rule.id]
        return msgspec.structs.replace(old, evidence=rule.evidence or old.evidence)

    def carry_unmentioned(self, seen: Iterable[str], *, kinds: Sequence[str]) -> list[Rule]:
        """Return the active rules without recent feedback; missing feedback retires no rule."""
        known = set(seen)
        unmentioned = [rule for rule in self.champion.active if rule.kind in kinds and rule.id not in known]
        return [left for rule in unmentioned for left in self.decide(rule, None)]

    def retired(self, rules: Sequence[Rule]) -> list[Rule]:
        """Return the champion's rules that are missing in the new version as retired, with the reason."""
        taken = {rule.id for rule in rules}
        gone: list[Rule] = []
        for rule in self.champion.rules:
            if rule.id in taken or rule.status in ("candidate", "vetoed"):
                continue
            reason = "recent feedback contradicts it" if rule.evidence else "no longer needed"
            retired = msgspec.structs.replace(rule, status="retired", reason=reason)
            gone.append(retired if rule.is_active else rule)
        return gone

    def decisions(self, rules: Iterable[Rule], *, log_prefix: str, notes: Iterable[str]) -> Decisions:
        """Return the next version with these rules and the retired ones."""
        new = list(rules)
        return Decisions(
            policy=self.champion.policy,
            start=self.champion.start,
            version=self.champion.version + 1,
            revises=self.champion.version,
            rules=tuple(sorted([*new, *self.retired(new)], key=lambda rule: rule.id)),
            log_position=self.log_position,
            log_prefix=log_prefix,
            configuration=self.configuration.as_document(),
            notes=tuple(notes),
        )


def evidence_of(
    test: HypothesisTest | None,
    *,
    before: tuple[Interval, ...] = (),
    after: tuple[Interval, ...] = (),
    replay: Replay | None = None,
) -> Evidence | None:
    """Return the statistics of a test, or None without a test."""
    return test.evidence(before=before, after=after, replay=replay) if test else None


def replayed(savings: Sequence[float], *, of: int, risk: float) -> Replay | None:
    """Return the cost that a rule would have saved per 1000 cases it applies to, in the workspace's unit.

    The interval is an anytime-valid confidence interval for the mean saving, bounded by the observed range.
    """
    if not savings:
        return None
    least, most = min(savings), max(savings)
    mean = sum(savings) / len(savings)
    low, high = (
        bounded_mean_interval(savings, risk=risk, low=least, high=most) if most > least else (mean, mean)
    )
    return Replay(
        replayed=len(savings),
        of=of,
        left_out={"outside the scope of the rule": of - len(savings)} if of > len(savings) else {},
        saving_per_1000=float(f"{1000.0 * mean:.4g}"),
        saving_low=float(f"{1000.0 * low:.4g}"),
        saving_high=float(f"{1000.0 * high:.4g}"),
    )


def nearest(candidates: Iterable[Rule]) -> list[Rule]:
    """Return the candidates closest to adoption, closest first."""

    def lack(rule: Rule) -> tuple[float, str]:
        return (
            rule.evidence.e_value_threshold / rule.evidence.e_value if rule.evidence else math.inf,
            rule.id,
        )

    return sorted(candidates, key=lack)[:_MOST_SHOWN]
