"""What a call through the registry costs over a direct call of the same version, in nanoseconds.

``python benchmarks/dispatch.py``. The least of many rounds, since whatever else runs only adds.

*direct*: nothing stands beside the version: none before it, or it has proved itself. *guarded*: a new version
under its guard. *canary*: split by feature. *shadow*: beside it, on a tenth of the calls, whose arguments are
too large to be held. *recorded*: within a hook that sees the arguments by name; what the recorder of a
workspace does in it comes on top.
"""

import json
import sys
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from poet_runtime.registry import Registry, on_trial

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.handmade import write_registry, write_version

CALLS, ROUNDS = 400, 100  # so few that a guard does not yet take the version as proved
SOURCE = "VERSION = {}\n\n\ndef one(value, feature='') -> int:\n    return VERSION\n"
SAID: dict[str, Any] = {"who": "benchmark", "why": "measured", "at": "2026-01-01T00:00:00+00:00"}


def measured() -> dict[str, dict[str, int]]:
    """Give nanoseconds over a direct call by how arguments are given and by way of calling."""
    with tempfile.TemporaryDirectory() as root:
        plain = _versions(Path(root) / "plain")
        ways: dict[str, Callable[..., object]] = {
            "function": Registry(plain).version("one", 1),
            "direct": Registry(plain).policy("one"),
            "guarded": Registry(_versions(Path(root) / "new", active=2, previous=1)).policy("one"),
            "recorded": Registry(plain, on_result=_hook).policy("one"),
        }
        for mode in ("canary", "shadow"):
            folder = _versions(Path(root) / mode)
            on_trial(folder, "one", 2, mode=mode, share=0.1, **SAID)
            ways[mode] = Registry(folder).policy("one")
        return {
            kind: _over("function", _least(ways, arguments))
            for kind, arguments in (("positional", "large, 'age'"), ("keyword", "large, feature='age'"))
        }


def _over(base: str, least: dict[str, float]) -> dict[str, int]:
    return {name: round(spent - least[base]) for name, spent in least.items() if name != base}


def _versions(folder: Path, *, active: int = 1, previous: int | None = None) -> Path:
    folder.mkdir()
    versions = {"one": {str(n): write_version(folder, "one", n, source=SOURCE.format(n)) for n in (1, 2)}}
    write_registry(folder, {"one": active}, versions, previous=previous)
    return folder


def _hook(_policy: str, _arguments: object, result: object, _version: int) -> object:
    return result


def _least(ways: dict[str, Callable[..., object]], arguments: str) -> dict[str, float]:
    """Give nanoseconds a call, all ways in turn, so that a busy machine is busy for all of them."""
    large = [0.0] * 10_000
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, call in ways.items():
            spent = timeit.timeit(f"call({arguments})", globals={"call": call, "large": large}, number=CALLS)
            least[name] = min(least[name], 1e9 * spent / CALLS)
    return least


if __name__ == "__main__":
    print(json.dumps(measured(), indent=2))
