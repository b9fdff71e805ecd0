"""The known event types: built-in types and those of installed packages."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from poet.events.payloads import Payload
from poet_runtime import plugins
from poet_runtime.errors import EventError, PluginError

GROUP: Final = "poet.events"


class KnownTypes(Mapping[str, type[Payload]]):
    """A mapping of all event types to their structs.

    The type of a package is imported on first access, so a monitor that emits only built-in types pays
    nothing for packages. Iteration omits types that cannot be used; accessing one raises the reason.
    """

    def __init__(self, own: Mapping[str, type[Payload]]) -> None:
        self._own = frozenset(own)
        self._known = dict(own)
        self._refused: dict[str, PluginError] = {}

    def __getitem__(self, type_: str) -> type[Payload]:
        if type_ in self._known:
            return self._known[type_]
        if type_ not in plugins.entries(GROUP):
            raise KeyError(type_)
        self._load_once(type_)
        if refused := self._refused.get(type_):
            raise EventError(
                event=type_, path="type", expected="a usable type", got=str(refused)
            ) from refused
        return self._known[type_]

    def __iter__(self) -> Iterator[str]:
        for type_ in plugins.entries(GROUP):
            self._load_once(type_)
        return iter(tuple(self._known))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def problems(self) -> tuple[PluginError, ...]:
        """Return the errors of the types that packages provide but that cannot be used."""
        return tuple(self._refused[type_] for type_ in plugins.entries(GROUP) if self._is_refused(type_))

    def add(self, type_: str, payload: type[Payload]) -> None:
        """Register one more type; registering it again has no effect.

        Raises
        ------
        EventError
            Another struct already has the name.
        """
        if self._known.setdefault(type_, payload) is not payload:
            raise EventError(event=type_, path="type", expected="a name that is not in use", got=repr(type_))

    def _is_refused(self, type_: str) -> bool:
        self._load_once(type_)
        return type_ in self._refused

    def _load_once(self, type_: str) -> None:
        if type_ in self._refused or (type_ in self._known and type_ not in self._own):
            return
        if type_ in self._own:
            packages = " and ".join(map(plugins.described, plugins.entries(GROUP)[type_]))
            self._refused[type_] = PluginError(
                f"{packages} uses the name of a built-in type; use another name"
            )
            return
        try:
            self._known[type_] = _loaded(type_)
        except PluginError as error:
            self._refused[type_] = error


def _loaded(type_: str) -> type[Payload]:
    payload, point = plugins.load(GROUP, type_)
    if not (isinstance(payload, type) and issubclass(payload, Payload)):
        raise PluginError(
            f"{plugins.described(point)} is {payload!r:.80}; make it a struct that inherits from "
            "poet.events.Payload"
        )
    try:
        msgspec.json.Decoder(payload)
    except TypeError as error:
        raise PluginError(
            f"{plugins.described(point)} cannot be decoded from JSON: {error}; correct its fields"
        ) from error
    return payload
