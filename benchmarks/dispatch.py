"""Overhead of a call through the registry over a direct call of the same version, in nanoseconds.

``python benchmarks/dispatch.py``. The result is the minimum of many rounds: other load only adds time.

*direct*: an active version without guard, canary or shadow. *guarded*: a new version under its guard.
*canary*: two versions split by feature. *shadow*: a second version on a tenth of the calls, whose arguments
are too large to be kept. *recorded*: a hook that receives the arguments by name. The work that the recorder
of a workspace does in the hook is not included.
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

CALLS, ROUNDS = 400, 100  # too few for the guard to end its probation
SOURCE = "VERSION = {}\n\n\ndef one(value, feature='') -> int:\n    return VERSION\n"
CHANGE: dict[str, Any] = {"who": "benchmark", "why": "measured", "at": "2026-01-01T00:00:00+00:00"}


def measured() -> dict[str, dict[str, int]]:
    """Return nanoseconds over a direct call, by kind of arguments and mode."""
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
            on_trial(folder, "one", 2, mode=mode, share=0.1, **CHANGE)
            ways[mode] = Registry(folder).policy("one")
        return {
            kind: _over("function", _least(ways, arguments))
            for kind, arguments in (("positional", "large, 'age'"), ("keyword", "large, feature='age'"))
        }


def _over(base: str, least: dict[str, float]) -> dict[str, int]:
    return {name: round(elapsed - least[base]) for name, elapsed in least.items() if name != base}


def _versions(folder: Path, *, active: int = 1, previous: int | None = None) -> Path:
    folder.mkdir()
    versions = {"one": {str(n): write_version(folder, "one", n, source=SOURCE.format(n)) for n in (1, 2)}}
    write_registry(folder, {"one": active}, versions, previous=previous)
    return folder


def _hook(_policy: str, _arguments: object, result: object, _version: int) -> object:
    return result


def _least(ways: dict[str, Callable[..., object]], arguments: str) -> dict[str, float]:
    """Return nanoseconds per call, measured in turn, so that a busy machine affects all modes."""
    large = [0.0] * 10_000
    least = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, call in ways.items():
            elapsed = timeit.timeit(
                f"call({arguments})", globals={"call": call, "large": large}, number=CALLS
            )
            least[name] = min(least[name], 1e9 * elapsed / CALLS)
    return least


if __name__ == "__main__":
    print(json.dumps(measured(), indent=2))
