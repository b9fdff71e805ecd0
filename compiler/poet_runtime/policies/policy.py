"""The runtime interface of policies: one `RuntimePolicy` per policy, looked up by the policy's name.

The registry, its guard, shadow and canary, the recorder and the telemetry are independent of any policy.
This module tells them how two answers differ, how an answer is recorded and which argument names the feature.
It does not import the compiler. The runtime parts of the built-in policies are the modules in `BUILT_IN` of
this package, and a package registers its own in the entry point group ``poet_runtime``. A policy without a
runtime part gets the defaults.
"""

import dataclasses
import inspect
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import import_module
from typing import Any, Final, Literal

import msgspec

from poet_runtime.errors import PluginError

GROUP: Final = "poet_runtime"
BUILT_IN: Final = (  # one line registers a built-in policy, both here and in the compiler
    "detect_drift",
    "calculate_adaptive_window",
    "calculate_feature_importance",
    "generate_alerts",
    "monitor_with_recovery",
    "adaptive_monitoring_strategy",
)
LONGEST_BRIEF: Final = 120  # characters of an answer in a witness
LONGEST_TEXT: Final = 300  # characters of a string in a recorded answer
MOST_MEMBERS: Final = 500  # of a recorded answer, all levels together; an event has at most 256 KiB
DEEPEST: Final = 4  # levels of a recorded answer
_IDENTITY: Final[Mapping[str, Any]] = {"execution_id": "", "policy_version": 0}
_log: Final = logging.getLogger("poet_runtime")

Difference = Literal["", "fewer_alerts", "more_alerts", "different"]
Attributes = dict[str, str | bool | int | float]
RecordedEvent = tuple[str, dict[str, Any]]  # type and payload of an event


@dataclass(frozen=True, slots=True)
class Recording:
    """The recorder's services for a policy whose answer is recorded."""

    execution_id: str
    new_id: Callable[[], str]
    is_audited: Callable[[str], bool]  # whether a non-alert with this id is part of the random audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One recorded call, with the arguments that `RuntimePolicy.hold` kept and the answer to the caller."""

    execution_id: str
    policy: str
    version: int
    arguments: Mapping[str, Any]
    answer: Any
    audit_rate: float


def difference_of_values(champion: Any, shadow: Any) -> Difference:
    """Return "" for equal answers, else "different". Execution ids and version numbers are ignored."""
    if type(champion) is not type(shadow):
        return "different"
    champion, shadow = without_identity(champion), without_identity(shadow)
    try:
        is_equal = bool(champion == shadow)
    except ValueError:  # arrays compare member by member
        is_equal = False
    # NaN is not equal to itself but means the same
    return "" if is_equal or repr(champion) == repr(shadow) else "different"


def difference_of_counts(champion: int, shadow: int) -> Difference:
    """Return how the number of alerts differs from the champion's."""
    if champion == shadow:
        return ""
    return "more_alerts" if shadow > champion else "fewer_alerts"


def brief_value(answer: Any) -> str:
    """Return a short text for an answer."""
    return repr(without_identity(answer))[:LONGEST_BRIEF]


def scalars(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scalar arguments, and the scalars in mappings as ``argument.key``.

    Data frames, arrays and other objects are omitted, because they may be large and mutable.
    """
    found: dict[str, Any] = {}
    for name, value in arguments.items():
        members = value.items() if isinstance(value, Mapping) else ()
        for key, each in ((name, value), *((f"{name}.{key}", each) for key, each in members)):
            if len(found) < MOST_MEMBERS and _is_scalar(each):
                found[key[:LONGEST_TEXT]] = _scalar(each)
    return found


def with_execution_id(answer: Any, recording: Recording) -> Any:
    """Return the answer with the id of its execution, if it has a field `execution_id`.

    Any other answer is returned unchanged; its id is available as `Workspace.last_execution_id`.
    """
    return _replaced(answer, {"execution_id": recording.execution_id})


def without_identity(answer: Any) -> Any:
    """Return the answer without execution id and version number, which comparisons ignore."""
    return _replaced(answer, _IDENTITY)


def no_events(_answer: Any, _recording: Recording) -> Iterable[RecordedEvent]:
    """Return no events in addition to the execution."""
    return ()


def executed(execution: Execution) -> RecordedEvent:
    """Return the event ``policy.executed`` with the scalar arguments and the answer as plain data."""
    return (
        "policy.executed",
        {
            "execution_id": execution.execution_id,
            "policy": execution.policy,
            "version": getattr(execution.answer, "policy_version", 0) or execution.version,
            "arguments": dict(execution.arguments),
            "answer": plain_data(without_identity(execution.answer)),
        },
    )


def plain_data(answer: Any) -> Any:
    """Return an answer as JSON-compatible data, with the type name for large or unsupported values."""
    return _Plain().value(answer, DEEPEST)


def version_attribute(answer: Any) -> Attributes:
    """Return the version that answered, if the answer states it."""
    version = getattr(answer, "policy_version", None)
    return {} if version is None else {"poet.version": version}


def no_attributes(_answer: Any) -> Attributes:
    """Return no attributes."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimePolicy:
    """The runtime part of one policy. Everything except the name has a default.

    Parameters
    ----------
    protocol
        A class whose ``__call__`` has the parameters of every version, and documents the policy. Without it
        the parameters are read from the active version.
    answer
        The type of the answers. The defaults apply to answers of another type, which a user's own function
        may return.
    difference, brief
        Functions that return how a shadow's answer differs from the champion's, and a short text for an
        answer.
    hold
        Function that returns the arguments to keep until the execution is recorded, as they were at the call.
    identify
        Function that returns the answer with its execution id and the ids of its parts.
    consequences
        Function that returns further events, which are logged before the caller gets the answer.
    execution
        Function that returns the event for the execution. It runs on the recorder's thread.
    sketched
        The names of the arguments with the current and the reference sample. The events of alerts and of
        audited non-alerts include a sketch of both.
    metric_attributes, span_attributes
        Functions that return the telemetry attributes of an answer. Metric attributes must have few distinct
        values.
    is_timed
        Whether the guard compares running times. A policy that runs the caller's code under its own
        deadlines is not timed.
    feature_arguments, model_arguments, context_arguments
        The arguments by which a canary splits calls. A context is a mapping that may name the model.
    """

    name: str
    protocol: type | None = None
    answer: type | None = None
    difference: Callable[[Any, Any], Difference] = difference_of_values
    brief: Callable[[Any], str] = brief_value
    hold: Callable[[Mapping[str, Any]], Mapping[str, Any]] = scalars
    identify: Callable[[Any, Recording], Any] = with_execution_id
    consequences: Callable[[Any, Recording], Iterable[RecordedEvent]] = no_events
    execution: Callable[[Execution], RecordedEvent] = executed
    sketched: tuple[str, str] | None = None
    metric_attributes: Callable[[Any], Attributes] = version_attribute
    span_attributes: Callable[[Any], Attributes] = no_attributes
    is_timed: bool = True
    feature_arguments: tuple[str, ...] = ("feature", "feature_name")
    model_arguments: tuple[str, ...] = ("model", "model_id", "model_name")
    context_arguments: tuple[str, ...] = ("context", "model_context")

    @property
    def signature(self) -> inspect.Signature | None:
        """The parameters of every version; None if only the versions define them."""
        if self.protocol is None:
            return None
        signature = inspect.signature(self.protocol.__call__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def for_answer(self, answer: Any) -> "RuntimePolicy":
        """Return this object, or one with the defaults if the answer has another type."""
        if self.answer is None or isinstance(answer, self.answer):
            return self
        return RuntimePolicy(name=self.name)

    def feature_of(self, arguments: Mapping[str, Any]) -> str:
        """Return the feature that a call is about; empty if it names none."""
        return _named(arguments, self.feature_arguments)

    def model_of(self, arguments: Mapping[str, Any]) -> str:
        """Return the model that a call is about; empty if it names none."""
        contexts = [arguments.get(name) for name in self.context_arguments]
        found = (_named(each, self.model_arguments) for each in contexts if isinstance(each, Mapping))
        return _named(arguments, self.model_arguments) or next((each for each in found if each), "")

    def names_sides(self, parameters: Iterable[str]) -> bool:
        """Return whether a call with these parameters can name a feature or a model."""
        known = {*self.feature_arguments, *self.model_arguments, *self.context_arguments}
        return not known.isdisjoint(parameters)


def difference(policy: str, champion: Any, shadow: Any) -> Difference:
    """Return how a shadow's answer differs from the champion's, in terms of the action taken."""
    found = runtime_policy(policy)
    alike = found.for_answer(champion) is found and found.for_answer(shadow) is found
    return found.difference(champion, shadow) if alike else difference_of_values(champion, shadow)


@cache
def runtime_policy(name: str) -> RuntimePolicy:
    """Return the runtime part of a policy, or the defaults if none is registered.

    An unusable package is logged and its policy gets the defaults, so that versions continue to answer.
    """
    try:
        return load_runtime_policy(name) or RuntimePolicy(name=name)
    except PluginError as error:
        _log.warning("%s", error)
        return RuntimePolicy(name=name)


def load_runtime_policy(name: str) -> RuntimePolicy | None:
    """Load the runtime part of a policy; None if none is registered.

    Raises
    ------
    PluginError
        A package registers another object under this name, or cannot be imported.
    """
    if name in BUILT_IN:
        found: RuntimePolicy = import_module(f"poet_runtime.policies.{name}").RUNTIME
        return found
    from poet_runtime import plugins  # noqa: PLC0415 -- reads the metadata of every installed package

    if name not in plugins.entries(GROUP):
        return None
    brought, point = plugins.load(GROUP, name)
    if not isinstance(brought, RuntimePolicy) or brought.name != name:
        raise PluginError(
            f"{plugins.described(point)}: expected a RuntimePolicy named {name!r}, got {brought!r:.200}; "
            "correct or uninstall the package"
        )
    return brought


class _Plain:
    """Converter of one answer to plain data that counts members, so that no answer creates a huge event."""

    def __init__(self) -> None:
        self._left = MOST_MEMBERS

    def value(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if _is_scalar(value):
            return _scalar(value)
        if isinstance(value, date):
            return value.isoformat()
        members = _members(value)
        if members is None or depth == 0 or len(members) > self._left:
            return f"<{type(value).__name__}>"
        if isinstance(members, Mapping):
            return {
                str(name)[:LONGEST_TEXT]: self.value(each, depth - 1)
                for name, each in members.items()
                if self._left > 0
            }
        return [self.value(each, depth - 1) for each in members if self._left > 0]


def _members(value: Any) -> Mapping[Any, Any] | list[Any] | None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list | tuple):
        return list(value)
    return sorted(value, key=repr) if isinstance(value, set | frozenset) else None


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float) or _numpy_scalar(value) is not value


def _scalar(value: Any) -> str | int | float | bool | None:
    value = _numpy_scalar(value)
    if isinstance(value, str):
        return str(value)[:LONGEST_TEXT]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if math.isfinite(value) else None


def _numpy_scalar(value: Any) -> Any:
    """Return a numpy scalar as a Python number and anything else unchanged, without importing numpy."""
    if type(value).__module__ != "numpy" or getattr(value, "shape", None) != ():
        return value
    number = value.item()
    return number if isinstance(number, str | int | float) else value


def _replaced(answer: Any, values: Mapping[str, Any]) -> Any:
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        names = {each.name for each in dataclasses.fields(answer) if each.init}
        known = {name: value for name, value in values.items() if name in names}
        return dataclasses.replace(answer, **known) if known else answer
    if isinstance(answer, msgspec.Struct):
        known = {name: value for name, value in values.items() if name in type(answer).__struct_fields__}
        return msgspec.structs.replace(answer, **known) if known else answer
    return answer


def _named(arguments: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = (arguments.get(name) for name in names)
    return next((str(value) for value in found if isinstance(value, str | int) and value != ""), "")
