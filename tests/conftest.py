"""Fixtures that several test modules use: a store for the log, one process that validates for many tests."""

from collections.abc import Iterator

import pytest

from poet.build import validate as _validate
from tests.forking import Run, forking
from tests.stores import STORES, in_store


@pytest.fixture(params=STORES)
def each_store(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test once a store; see `tests.stores.place`."""
    with in_store(request.param):
        yield request.param


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with forking(tmp_path_factory.mktemp("server")) as run:
        yield run


@pytest.fixture
def _forked(_server: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `validate` fork for a candidate; its gates, limits and walls are those of a process of its own."""
    monkeypatch.setattr(_validate, "run", _server)
