"""What the engines of production ask about a policy: one `RuntimePolicy` each, found by the policy's name.

The registry, its guard, shadow and canary, the recorder and the telemetry know no policy. They ask here how
two answers differ, how an answer is recorded and which argument names the feature. None of this imports the
compiler: the built-in policies are the modules of `BUILT_IN` below this package, and a package registers its
own under the entry point group ``poet_runtime``. A policy without a runtime part gets the defaults.
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
BUILT_IN: Final = (  # one line registers a policy of POET's own, here and with the compiler
    "detect_drift",
    "calculate_adaptive_window",
    "calculate_feature_importance",
    "generate_alerts",
    "monitor_with_recovery",
    "adaptive_monitoring_strategy",
)
LONGEST_BRIEF: Final = 120  # characters of an answer in a witness
LONGEST_TEXT: Final = 300  # characters of a text in a recorded answer
MOST_MEMBERS: Final = 500  # of a recorded answer, all levels together; an event holds at most 256 KiB
DEEPEST: Final = 4  # levels of a recorded answer
_IDENTITY: Final[Mapping[str, Any]] = {"execution_id": "", "policy_version": 0}
_log: Final = logging.getLogger("poet_runtime")

Difference = Literal["", "quieter", "louder", "otherwise"]
Attributes = dict[str, str | bool | int | float]
RecordedEvent = tuple[str, dict[str, Any]]  # type and payload of an event


@dataclass(frozen=True, slots=True)
class Recording:
    """What the recorder offers to a policy whose answer it records."""

    execution_id: str
    new_id: Callable[[], str]
    is_audited: Callable[[str], bool]  # whether a non-alert with this id is part of the random audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One recorded call: `arguments` as the policy held them, `answer` as the caller got it."""

    execution_id: str
    policy: str
    version: int
    arguments: Mapping[str, Any]
    answer: Any
    audit_rate: float


def difference_of_values(champion: Any, shadow: Any) -> Difference:
    """Return "" for equal answers, else "otherwise". Execution ids and version numbers are ignored."""
    if type(champion) is not type(shadow):
        return "otherwise"
    champion, shadow = without_identity(champion), without_identity(shadow)
    try:
        is_equal = bool(champion == shadow)
    except ValueError:  # arrays compare member by member
        is_equal = False
    # NaN is not equal to itself and says the same
    return "" if is_equal or repr(champion) == repr(shadow) else "otherwise"


def difference_of_counts(champion: int, shadow: int) -> Difference:
    """Return how a number of alerts differs from the champion's."""
    if champion == shadow:
        return ""
    return "louder" if shadow > champion else "quieter"


def brief_value(answer: Any) -> str:
    """Return an answer in one short text."""
    return repr(without_identity(answer))[:LONGEST_BRIEF]


def scalars(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scalars among the arguments, and those of mappings as ``argument.key``.

    Data frames, arrays and other objects are left out: they may be large, and they may change.
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

    Any other answer is returned unchanged; `Workspace.last_execution_id` gives its id.
    """
    return _replaced(answer, {"execution_id": recording.execution_id})


def without_identity(answer: Any) -> Any:
    """Return the answer without execution id and version number, by which no two answers differ."""
    return _replaced(answer, _IDENTITY)


def no_events(_answer: Any, _recording: Recording) -> Iterable[RecordedEvent]:
    """Return no events besides the execution."""
    return ()


def executed(execution: Execution) -> RecordedEvent:
    """Return the event ``policy.executed``: the scalar arguments, and the answer as plain data."""
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
    """Return an answer as JSON has it; what is too large or has no such form is named by its type."""
    return _Plain().value(answer, DEEPEST)


def version_attribute(answer: Any) -> Attributes:
    """Return the version that answered, where the answer says it."""
    version = getattr(answer, "policy_version", None)
    return {} if version is None else {"poet.version": version}


def no_attributes(_answer: Any) -> Attributes:
    """Return no attributes."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimePolicy:
    """What production needs to know about one policy. Everything but the name has a default.

    Parameters
    ----------
    protocol
        A class whose ``__call__`` has the parameters that every version takes, and describes the policy.
        Without it they are read from the active version.
    answer
        The type of its answers. Answers of another type, as a user's own function may give them, are
        treated by the defaults.
    difference, brief
        How a shadow's answer differs from the champion's, and an answer in a few words.
    hold
        What of the arguments is kept until the execution is recorded, as it was at the call.
    identify
        Returns the answer with its execution id and the ids of its parts.
    consequences
        Further events that an answer leaves in the log, before the caller gets it.
    execution
        The event that records the execution. It is made on the recorder's thread.
    sketched
        The arguments with the current and the reference sample. Both are drawn into the event of an alert
        and of an audited non-alert.
    metric_attributes, span_attributes
        What telemetry says about an answer. A metric's attributes must have few values.
    is_timed
        Whether the guard compares running times. A policy that runs the caller's code under deadlines of
        its own is not timed.
    feature_arguments, model_arguments, context_arguments
        The arguments by which a canary splits calls; a context is a mapping that may name the model.
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
        """The parameters that every version takes; None where only the versions tell."""
        if self.protocol is None:
            return None
        signature = inspect.signature(self.protocol.__call__)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def for_answer(self, answer: Any) -> "RuntimePolicy":
        """Return this policy, or the defaults under its name for an answer of another type."""
        if self.answer is None or isinstance(answer, self.answer):
            return self
        return RuntimePolicy(name=self.name)

    def feature_of(self, arguments: Mapping[str, Any]) -> str:
        """Return the feature that a call is about; empty where it names none."""
        return _named(arguments, self.feature_arguments)

    def model_of(self, arguments: Mapping[str, Any]) -> str:
        """Return the model that a call is about; empty where it names none."""
        contexts = [arguments.get(name) for name in self.context_arguments]
        found = (_named(each, self.model_arguments) for each in contexts if isinstance(each, Mapping))
        return _named(arguments, self.model_arguments) or next((each for each in found if each), "")

    def names_sides(self, parameters: Iterable[str]) -> bool:
        """Return whether a call with these parameters can name a feature or a model."""
        known = {*self.feature_arguments, *self.model_arguments, *self.context_arguments}
        return not known.isdisjoint(parameters)


def difference(policy: str, champion: Any, shadow: Any) -> Difference:
    """Return how a shadow's answer differs from the champion's: in what is done about the data."""
    found = runtime_policy(policy)
    alike = found.for_answer(champion) is found and found.for_answer(shadow) is found
    return found.difference(champion, shadow) if alike else difference_of_values(champion, shadow)


@cache
def runtime_policy(name: str) -> RuntimePolicy:
    """Return what production knows about a policy; the defaults where there is no more.

    A package that cannot be used is logged, and its policy gets the defaults: versions go on answering.
    """
    try:
        return load_runtime_policy(name) or RuntimePolicy(name=name)
    except PluginError as error:
        _log.warning("%s", error)
        return RuntimePolicy(name=name)


def load_runtime_policy(name: str) -> RuntimePolicy | None:
    """Load the runtime part of a policy; None where none is registered.

    Raises
    ------
    PluginError
        A package registers something else under this name, or cannot be imported.
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
    """One answer on its way to JSON; members are counted, so that no answer makes a huge event."""

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
    """Return what numpy's number is in Python; anything else unchanged, without importing numpy."""
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
