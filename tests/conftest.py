"""Shared fixtures: a store for the log, and one process that validates for many tests."""

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import poet
import poet_runtime
from poet.build import validate as _validate
from tests.forking import Run, forking
from tests.stores import STORES, in_store

# Continuous integration tests what people install. A checkout that comes before it would hide a missing file.
if os.environ.get("POET_INSTALLED"):
    _installed = Path(sysconfig.get_path("purelib"))
    for _package in (poet, poet_runtime):
        assert Path(str(_package.__file__)).is_relative_to(_installed), f"{_package} is not in {_installed}"


@pytest.fixture(params=STORES)
def each_store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test once for each store; see `tests.stores.location`."""
    with in_store(request.param):
        yield request.param


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with forking(tmp_path_factory.mktemp("server")) as run:
        yield run


@pytest.fixture
def _forked(_server: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `validate` fork for a candidate, with the gates, limits and sandbox of a new process."""
    monkeypatch.setattr(_validate, "run", _server)
