"""Tests of the commands `poet serve` and `poet token`."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from poet.cli.app import app
from poet.server.tokens import Tokens
from poet_runtime.errors import AccessError, PoetError, ServeError, WorkspaceError
from tests.workspaces import first_workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a workspace."""
    return first_workspace(tmp_path / "ws")


def poet(folder: Path, *arguments: str) -> Any:
    """Run a command and return its output, exit status and exception."""
    return CliRunner().invoke(app, ["--workspace", str(folder), *arguments])


def test_a_token_is_created_listed_and_revoked(folder: Path) -> None:
    """The secret is printed once to standard output, and the list shows no digest."""
    made = poet(folder, "--json", "token", "create", "ci", "--role", "emit", "--allow-source", "monitor/shop")
    secret = json.loads(made.stdout)["token"]
    found = Tokens(folder / "feedback_log").find(secret)
    assert found is not None
    assert (found.name, found.role, found.sources) == ("ci", "emit", ("monitor/shop",))
    listed = poet(folder, "--json", "token", "list").stdout
    assert found.sha256 not in listed
    assert secret not in listed
    assert "ci  emit" in poet(folder, "token", "list").stdout
    assert "revoked" in poet(folder, "token", "revoke", "ci").stdout
    assert Tokens(folder / "feedback_log").find(secret) is None
    assert "no tokens" in poet(folder, "token", "list").stdout


def test_an_unknown_role_is_wrong_usage(folder: Path) -> None:
    """The message lists the roles, and the library refuses the role, too."""
    ended = poet(folder, "token", "create", "ana", "--role", "boss")
    assert ended.exit_code == 2
    assert "'emit', 'review', 'operate'" in ended.output
    with pytest.raises(AccessError, match="emit, review, operate"):
        Tokens(folder / "feedback_log").create("ana", "boss", at="2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["token", "revoke", "unknown"], AccessError, "existing tokens: none"),
        (["serve", "--host", "192.0.2.1"], ServeError, "poet token create"),
        (["serve", "--slack-secret", "nowhere"], ServeError, "cannot be read"),
    ],
)
def test_wrong_usage_has_a_next_step(
    folder: Path, arguments: list[str], error: type[PoetError], message: str
) -> None:
    """Nothing is started and nothing is written."""
    ended = poet(folder, *arguments)
    assert isinstance(ended.exception, error)
    assert message in str(ended.exception)
    assert not (folder / "feedback_log" / "access.json").exists()


def test_tokens_require_a_workspace(tmp_path: Path) -> None:
    """The error is that of all commands."""
    ended = poet(tmp_path, "token", "list")
    assert isinstance(ended.exception, WorkspaceError)


def test_a_webhook_needs_a_name(folder: Path) -> None:
    """Without NAME=FILE, the exit status is 2."""
    ended = poet(folder, "serve", "--webhook", "ci")
    assert (ended.exit_code, "expected NAME=FILE" in ended.output) == (2, True)


def test_without_the_extra_the_command_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All other commands work without it."""
    for name in [each for each in sys.modules if each.startswith("poet.server")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [each for each in sys.modules if each.startswith("starlette.")]:
        monkeypatch.setitem(sys.modules, name, None)
    ended = poet(folder, "serve")
    assert (ended.exit_code, "poet-policy-compiler[serve]" in ended.output) == (2, True)
