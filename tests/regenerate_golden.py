"""Write all golden folders again: ``python -m tests.regenerate_golden``.

Where a folder has events, its decisions are learned from them again; every folder's module is rendered.
"""

import tempfile
from pathlib import Path

import msgspec

from poet.decisions import Decisions, decode, encode
from poet.events import Event, parse
from poet.learn import learn
from poet.learn.configuration import LearnConfiguration
from poet.learn.costs import with_estimated_costs
from poet.policies import policy
from poet.render import render
from tests.builders import summaries_of
from tests.seed_scenarios import SCENARIOS, START

GOLDEN = Path(__file__).parent / "golden"
EVENTS = "events.jsonl"


def cases() -> list[Path]:
    """List the golden folders."""
    return sorted(path.parent for path in GOLDEN.glob("*/*/decisions.json"))


def scenarios() -> list[Path]:
    """List the golden folders that begin with events."""
    return sorted(path.parent for path in GOLDEN.glob(f"*/*/{EVENTS}"))


def expected(case: Path) -> tuple[str, bytes]:
    """Give name and bytes of the module that belongs into a folder."""
    decisions = decode((case / "decisions.json").read_bytes())
    return f"{decisions.policy}_v{decisions.version}.py", render(decisions).source.encode()


def learned(case: Path) -> Decisions:
    """Learn a folder's events, as a compile would."""
    lines = (case / EVENTS).read_bytes().splitlines()
    spec = policy(case.parent.name)
    champion = spec.version_1(START.get(spec.name, spec.starts[0]))
    with tempfile.TemporaryDirectory() as folder:
        summaries = summaries_of(Path(folder), map(parse, lines))
    return learn(spec, summaries, champion, with_estimated_costs(summaries, LearnConfiguration()))


def line(event: Event) -> bytes:
    """Give an event as a line of its envelope."""
    return msgspec.json.encode(msgspec.json.decode(event.raw), order="sorted") + b"\n"


def main() -> None:
    """Write everything again."""
    for name, scenario in SCENARIOS.items():
        case = GOLDEN / name / "scenario"
        case.mkdir(parents=True, exist_ok=True)
        (case / EVENTS).write_bytes(b"".join(map(line, scenario())))
        (case / "decisions.json").write_bytes(encode(learned(case)))
    for case in cases():
        for old in case.glob("*.py"):
            old.unlink()
        name, content = expected(case)
        (case / name).write_bytes(content)


if __name__ == "__main__":
    main()
