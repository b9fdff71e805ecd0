"""What a person says of an execution, as the event that says so."""

from collections.abc import Callable

from poet.events import Event, make

__all__ = ["verdict"]


def verdict(
    execution_id: str,
    *,
    was_real: bool,
    who: str,
    now: Callable[[], float],
    reason: str = "",
    feature: str = "",
    identity: str | None = None,
) -> Event:
    """Make the event: a validation, or a false positive where a reason is given for one.

    Raises
    ------
    EventError
        The execution has no name, or a text is no Unicode.
    """
    if reason and not was_real:
        data: dict[str, object] = {"execution_id": execution_id, "reason": reason}
        return make("drift.false_positive", data, source=who, id=identity, now=now)
    data = {"execution_id": execution_id, "was_real_drift": was_real}
    if feature:
        data["feature"] = feature
    if reason:
        data["root_cause"] = reason
    return make("drift.validation", data, source=who, id=identity, now=now)
