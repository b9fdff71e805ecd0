"""Tests of the Dana adapter without Dana: conversion of values and choice of the workspace."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from poet import Workspace
from poet.integrations import dana_events
from poet_runtime.errors import EventError, WorkspaceError
from tests.builders import SEED_PAYLOADS
from tests.workspaces import first_workspace

EXAMPLES = Path(__file__).parents[1] / "examples"
LABEL = {"execution_id": "x", "was_real_drift": True}


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a workspace that the environment variable names, and close the adapter's workspace afterwards."""
    folder = first_workspace(tmp_path / "shop")
    monkeypatch.setenv("POET_WORKSPACE", str(folder))
    yield folder
    if dana_events._opened is not None:
        dana_events._opened.close()
    dana_events._opened = None


def logged_events(folder: Path) -> list[tuple[str, str, Any]]:
    """Return type, source and payload of all events in a workspace's log."""
    with Workspace.open(folder) as workspace:
        events = [stored.event for stored in workspace.log.read()]
    return [(event.type, event.source, msgspec.json.decode(event.raw)["data"]) for event in events]


def test_the_seed_payloads_are_stored_unchanged(shop: Path) -> None:
    """All eighteen are on disk when `emit` returns, and each gets its own id."""
    ids = [dana_events.emit(type_, dict(payload)) for type_, payload in SEED_PAYLOADS]
    assert len(set(ids)) == 18
    assert logged_events(shop) == [(type_, "poet", payload) for type_, payload in SEED_PAYLOADS]


class Struct:
    """An object like a Dana struct as Python sees it."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    @property
    def struct_type(self) -> str:
        """The name of the struct's type."""
        return "Label"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return self._values


class Promise:
    """An object like the value of a Dana function that is still being computed."""

    def __init__(self, value: Any) -> None:
        self.value = value


def test_structs_promises_tuples_and_sets_become_plain_values(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be anywhere in the payload."""
    concurrency = ModuleType("dana.core.concurrency")
    vars(concurrency)["resolve_if_promise"] = lambda value: getattr(value, "value", value)
    monkeypatch.setitem(sys.modules, "dana.core.concurrency", concurrency)
    payload = Promise(
        Struct(
            execution_id=Promise("x"),
            was_real_drift=True,
            odd=({"b", "a"}, Struct(k=Promise([1]))),
        )
    )
    dana_events.emit(Promise("drift.validation"), payload, source="user/ana")  # type: ignore[arg-type]
    expected = LABEL | {"odd": [["a", "b"], {"k": [1]}]}
    assert logged_events(shop) == [("drift.validation", "user/ana", expected)]


def test_the_current_folder_is_the_default_workspace(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty environment variable counts as unset."""
    monkeypatch.setenv("POET_WORKSPACE", "")
    monkeypatch.chdir(shop)
    assert dana_events.workspace().path == shop
    assert dana_events.workspace() is dana_events.workspace()


def test_a_path_takes_precedence_over_the_environment(shop: Path, tmp_path: Path) -> None:
    """Earlier events stay in the earlier workspace."""
    other = first_workspace(tmp_path / "other")
    dana_events.emit("drift.validation", LABEL)
    dana_events.workspace(str(other))
    dana_events.emit("drift.validation", LABEL | {"execution_id": "y"})
    assert [data["execution_id"] for _, _, data in logged_events(shop)] == ["x"]
    assert [data["execution_id"] for _, _, data in logged_events(other)] == ["y"]


def test_a_folder_without_a_workspace_is_refused(shop: Path, tmp_path: Path) -> None:
    """The error names the command that creates one, and the open workspace stays in use."""
    dana_events.emit("drift.validation", LABEL)
    with pytest.raises(WorkspaceError, match="run `poet init"):
        dana_events.workspace(tmp_path / "nothing")
    dana_events.emit("drift.validation", LABEL)
    assert len(logged_events(shop)) == 2


@pytest.mark.parametrize(
    ("type_", "payload", "message"),
    [
        ("drift.validation", {"execution_id": "x"}, "was_real_drift: expected a value"),
        ("drift.validated", LABEL, "did you mean 'drift.validation'"),
        ("drift.validation", "x", "data: expected a dictionary or a struct, got 'x'"),
        (7, LABEL, "type: expected a text, got 7"),
    ],
)
def test_an_invalid_event_is_refused(shop: Path, type_: Any, payload: Any, message: str) -> None:
    """The error has the wrong value, and nothing is written."""
    with pytest.raises(EventError, match=message):
        dana_events.emit(type_, payload)
    assert logged_events(shop) == []


def test_the_example_module_exports_the_adapter(shop: Path) -> None:
    """Programs in its folder import it by its plain name, and the import does not load the compiler."""
    program = (
        "import sys, dana_events; early = 'poet.workspace.workspace' in sys.modules;"
        f"print(early, bool(dana_events.emit('drift.validation', {LABEL})))"
    )
    environment = {**os.environ, "POET_WORKSPACE": str(shop)}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=EXAMPLES,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == "False True"
    assert len(logged_events(shop)) == 1


def test_the_example_program_emits_the_seed_payloads() -> None:
    """The eighteen types are in the order of the seed."""
    lines = (EXAMPLES / "seed.na").read_text(encoding="utf-8").splitlines()
    emitted = [line.split('"')[1] for line in lines if line.startswith("dana_events.emit(")]
    assert emitted == [type_ for type_, _ in SEED_PAYLOADS]
    assert "import dana_events.py as dana_events" in lines
