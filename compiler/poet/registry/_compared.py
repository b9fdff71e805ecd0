"""How two answers to one call differ, in words that hold for every policy."""

from collections import Counter
from typing import Any

from poet.runtime.results import AlertPlan, DriftResult

__all__ = ["difference", "in_brief"]

LONGEST = 120  # characters of an answer in a witness


def difference(champion: Any, shadow: Any) -> str:
    """Give "" for the same answer, else "quieter", "louder" or "otherwise", as seen from the champion.

    What only names a version, a rule or a score is no difference: what is done about the data is.
    """
    if isinstance(champion, DriftResult) and isinstance(shadow, DriftResult):
        return _by_size(champion.drifted, shadow.drifted)
    if isinstance(champion, AlertPlan) and isinstance(shadow, AlertPlan):
        if _sent(champion) == _sent(shadow):
            return ""
        return _by_size(len(champion.alerts), len(shadow.alerts)) or "otherwise"
    return "" if _is_same(champion, shadow) else "otherwise"


def in_brief(answer: Any) -> str:
    """Give an answer in a few words."""
    if isinstance(answer, DriftResult):
        against = f"{answer.score:.6g} against {answer.threshold:.6g}"
        return f"drifted={answer.drifted}, {against} by {answer.rule}"
    if isinstance(answer, AlertPlan):
        return f"{len(answer.alerts)} alerts, {len(answer.suppressed)} suppressed"
    return repr(answer)[:LONGEST]


def _is_same(champion: Any, shadow: Any) -> bool:
    if type(champion) is not type(shadow):
        return False
    try:
        is_equal = bool(champion == shadow)
    except ValueError:  # arrays compare member by member
        is_equal = False
    return is_equal or repr(champion) == repr(shadow)  # NaN is not equal to itself and says the same


def _by_size(champion: int, shadow: int) -> str:
    if champion == shadow:
        return ""
    return "louder" if shadow > champion else "quieter"


def _sent(plan: AlertPlan) -> Counter[tuple[object, ...]]:
    return Counter(
        (each.severity, each.group, tuple(sorted(member.feature for member in each.members)))
        for each in plan.alerts
    )
