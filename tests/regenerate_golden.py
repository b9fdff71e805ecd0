"""Write all golden folders again, and the pages in docs/examples: ``python -m tests.regenerate_golden``.

Where a folder has events, its decisions are learned from them again; every folder's module is rendered. The
pages show the module of each policy's scenario and its difference from version 1.
"""

import difflib
import importlib
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from poet.build.render import render
from poet.events import Event, parse
from poet.learning.configuration import LearnConfiguration
from poet.learning.costs import with_estimated_costs
from poet.learning.learn import learn
from poet.spec import policies, policy
from poet.spec.decisions import Decisions, decode, encode
from tests.builders import summaries_of

POLICIES = Path(__file__).parent / "policies"
EXAMPLES: Final = Path(__file__).parents[1] / "docs" / "examples"
EVENTS: Final = "events.jsonl"


def golden(name: str) -> Path:
    """Return the folder of a policy's golden folders."""
    return POLICIES / name / "golden"


def cases() -> list[Path]:
    """Return the golden folders."""
    return sorted(path.parent for path in POLICIES.glob("*/golden/*/decisions.json"))


def scenario_events(name: str) -> list[Event]:
    """Return the events of a policy's scenario, from ``tests/policies/<policy>/scenario.py``."""
    found: list[Event] = importlib.import_module(f"tests.policies.{name}.scenario").events()
    return found


def scenario_start(name: str) -> str:
    """Return the start of a policy's scenario: its `START`, else the first start of the policy."""
    module = importlib.import_module(f"tests.policies.{name}.scenario")
    start: str = getattr(module, "START", policy(name).starts[0])
    return start


def scenarios() -> list[Path]:
    """Return the golden folders that begin with events."""
    return sorted(path.parent for path in POLICIES.glob(f"*/golden/*/{EVENTS}"))


def expected(case: Path) -> tuple[str, bytes]:
    """Return name and bytes of the module of a folder."""
    decisions = decode((case / "decisions.json").read_bytes())
    return f"{decisions.policy}_v{decisions.version}.py", render(decisions).source.encode()


def learned(case: Path) -> Decisions:
    """Return the decisions learned from a folder's events, as a compile does."""
    lines = (case / EVENTS).read_bytes().splitlines()
    spec = policy(case.parents[1].name)
    champion = spec.version_1(scenario_start(spec.name))
    with tempfile.TemporaryDirectory() as folder:
        summaries = summaries_of(Path(folder), map(parse, lines))
    return learn(spec, summaries, champion, with_estimated_costs(summaries, LearnConfiguration()))


def line(event: Event) -> bytes:
    """Return an event as a line of its envelope."""
    return msgspec.json.encode(msgspec.json.decode(event.raw), order="sorted") + b"\n"


def example_page(case: Path) -> str:
    """Return the page about a scenario: its feedback, its module, and the difference from version 1."""
    spec = policy(case.parents[1].name)
    first = render(spec.version_1(scenario_start(spec.name))).source
    name, content = expected(case)
    counts = Counter(event.type for event in map(parse, (case / EVENTS).read_bytes().splitlines()))
    events = "\n".join(f"- {count} `{type_}`" for type_, count in sorted(counts.items()))
    names = (f"{spec.name}_v1.py", name)
    diff = "".join(
        difflib.unified_diff(
            first.splitlines(keepends=True), content.decode().splitlines(keepends=True), *names, n=2
        )
    )
    return f"""\
# Example: {spec.name}

This page is for engineers who review generated code: it shows what `{spec.name}` learns from a
feedback log, and the difference from version 1 that you would review.

The log contains these events:

{events}

## The learned module

```python
{content.decode()}```

## The difference from version 1

```diff
{diff}```

The tests relearn this module from its events and compare the bytes.
"""


def write_examples() -> None:
    """Write the pages in docs/examples."""
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    for case in scenarios():
        (EXAMPLES / f"{case.parents[1].name}.md").write_text(example_page(case), encoding="utf-8")


def main() -> None:
    """Write all folders again."""
    for name in [spec.name for spec in policies()]:
        case = golden(name) / "scenario"
        case.mkdir(parents=True, exist_ok=True)
        (case / EVENTS).write_bytes(b"".join(map(line, scenario_events(name))))
        (case / "decisions.json").write_bytes(encode(learned(case)))
    for case in cases():
        for old in case.glob("*.py"):
            old.unlink()
        name, content = expected(case)
        (case / name).write_bytes(content)
    write_examples()


if __name__ == "__main__":
    main()
