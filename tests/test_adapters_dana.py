"""The Dana adapter, without Dana: what it makes of a program's values, and where its events go."""

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
VERDICT = {"execution_id": "x", "was_real_drift": True}


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a workspace that the environment names, and let go of it afterwards."""
    folder = first_workspace(tmp_path / "shop")
    monkeypatch.setenv("POET_WORKSPACE", str(folder))
    yield folder
    if dana_events._opened is not None:
        dana_events._opened.close()
    dana_events._opened = None


def held(folder: Path) -> list[tuple[str, str, Any]]:
    """Give type, source and payload of everything in a workspace's log."""
    with Workspace.open(folder) as workspace:
        events = [stored.event for stored in workspace.log.read()]
    return [(event.type, event.source, msgspec.json.decode(event.raw)["data"]) for event in events]


def test_the_seed_s_payloads_land_as_they_are(shop: Path) -> None:
    """All eighteen, on disk when emit returns, under the ids that it gives."""
    ids = [dana_events.emit(type_, dict(payload)) for type_, payload in SEED_PAYLOADS]
    assert len(set(ids)) == 18
    assert held(shop) == [(type_, "poet", payload) for type_, payload in SEED_PAYLOADS]


class Struct:
    """What a Dana struct looks like from Python."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    @property
    def struct_type(self) -> str:
        """Its type."""
        return "Verdict"

    def to_dict(self) -> dict[str, Any]:
        """Give its fields."""
        return self._values


class Promise:
    """What a Dana function gives while it is still being computed."""

    def __init__(self, value: Any) -> None:
        self.value = value


def test_structs_promises_tuples_and_sets_are_taken_apart(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever they are in the payload."""
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
    expected = VERDICT | {"odd": [["a", "b"], {"k": [1]}]}
    assert held(shop) == [("drift.validation", "user/ana", expected)]


def test_the_current_folder_is_the_workspace_where_nothing_else_is_said(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty variable says nothing."""
    monkeypatch.setenv("POET_WORKSPACE", "")
    monkeypatch.chdir(shop)
    assert dana_events.workspace().path == shop
    assert dana_events.workspace() is dana_events.workspace()


def test_a_path_comes_before_the_environment_from_then_on(shop: Path, tmp_path: Path) -> None:
    """Events before it stay where they went."""
    other = first_workspace(tmp_path / "other")
    dana_events.emit("drift.validation", VERDICT)
    dana_events.workspace(str(other))
    dana_events.emit("drift.validation", VERDICT | {"execution_id": "y"})
    assert [data["execution_id"] for _, _, data in held(shop)] == ["x"]
    assert [data["execution_id"] for _, _, data in held(other)] == ["y"]


def test_a_folder_without_a_workspace_is_told_of_and_changes_nothing(shop: Path, tmp_path: Path) -> None:
    """With the command that makes one."""
    dana_events.emit("drift.validation", VERDICT)
    with pytest.raises(WorkspaceError, match="run `poet init"):
        dana_events.workspace(tmp_path / "nothing")
    dana_events.emit("drift.validation", VERDICT)
    assert len(held(shop)) == 2


@pytest.mark.parametrize(
    ("type_", "payload", "says"),
    [
        ("drift.validation", {"execution_id": "x"}, "was_real_drift: expected a value"),
        ("drift.validated", VERDICT, "did you mean 'drift.validation'"),
        ("drift.validation", "x", "data: expected a dictionary or a struct, got 'x'"),
        (7, VERDICT, "type: expected a text, got 7"),
    ],
)
def test_a_wrong_event_is_refused_with_what_came(shop: Path, type_: Any, payload: Any, says: str) -> None:
    """And nothing is written."""
    with pytest.raises(EventError, match=says):
        dana_events.emit(type_, payload)
    assert held(shop) == []


def test_the_file_beside_a_program_hands_on_the_two_functions(shop: Path) -> None:
    """It is importable by its plain name from its folder, and importing it does not load the compiler."""
    program = (
        "import sys, dana_events; early = 'poet.workspace.workspace' in sys.modules;"
        f"print(early, bool(dana_events.emit('drift.validation', {VERDICT})))"
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
    assert len(held(shop)) == 1


def test_the_example_program_has_the_eighteen_emits() -> None:
    """In the order of the seed."""
    lines = (EXAMPLES / "seed.na").read_text(encoding="utf-8").splitlines()
    emitted = [line.split('"')[1] for line in lines if line.startswith("dana_events.emit(")]
    assert emitted == [type_ for type_, _ in SEED_PAYLOADS]
    assert "import dana_events.py as dana_events" in lines
