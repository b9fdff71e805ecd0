"""Hostile text in every text field of every event, from learning and rendering to the imported module.

    python benchmarks/hostile_text.py               # 5 000 texts
    python benchmarks/hostile_text.py --n 100000    # some minutes

Every text is either rejected with a POET error, or it is data in a module that has the shape of its template,
passes the dialect check and has no import side effects. Anything else ends the run.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.scenarios import POLICIES, started, world
from benchmarks.worlds.simulation import SimulatedEvent, SimulatedSummaries
from poet.build.check import check
from poet.build.probes import loaded
from poet.build.render import render
from poet.events import PAYLOADS, make
from poet.learning.configuration import LearnConfiguration
from poet.learning.learn import learn
from poet.spec import policy
from poet_runtime.errors import EventError, PoetError
from tests.builders import SEED_PAYLOADS
from tests.hostile import FAVOURITES

EVENTS = 200  # of a world, in one module
LONG = 65_536
TRUSTED = ("poet.", "numpy", "scipy", "statsmodels")  # what generated code may import


def hostile(rng: random.Random) -> str:
    """Return a random text; any Python string is possible."""
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(FAVOURITES)
    if kind < 0.41:
        core = rng.choice(("x", "\n", "\ud800", "'\"", "\U0010ffff", "{{", '"""'))
        return core * (LONG // len(core))
    anything = "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randrange(12)))
    return anything if kind < 0.7 else f"{anything}{rng.choice(FAVOURITES)}{anything[::-1]}"


def with_text(value: Any, text: Callable[[str], str]) -> Any:
    """Return a payload with every text replaced; field names are unchanged."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping):
        return {name: with_text(each, text) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [with_text(each, text) for each in value]
    return value


def payloads() -> list[tuple[str, dict[str, Any]]]:
    """Return a payload of every event type: the examples, and recorded events from simulated worlds."""
    found = dict(SEED_PAYLOADS)
    for name in ("detect_drift", "generate_alerts"):
        found |= {each.type: each.data for each in world(name).history(0, 20) if each.type not in found}
    found["policy.executed"] = {
        "execution_id": "x1",
        "policy": "choose_model",
        "arguments": {"region": "eu"},
        "answer": ["a", {"b": "c"}],
    }
    missing = PAYLOADS.keys() - found.keys()
    assert all(name.startswith("learning.") for name in missing), missing  # these events hold no text
    return sorted(found.items())


def fields_of_events(rng: random.Random, counted: Counter[str], n: int) -> None:
    """Replace one field after the other of every event type with hostile text."""
    while counted["texts in fields"] < n:
        for type_, payload in payloads():
            for name, value in payload.items():
                replaced = with_text(value, lambda _: _counted(hostile(rng), counted, "texts in fields"))
                try:
                    make(type_, {**payload, name: replaced, hostile(rng): hostile(rng)}, source="user/ana")
                    counted["events taken"] += 1
                except EventError:
                    counted["events refused"] += 1


def _counted(text: str, counted: Counter[str], what: str) -> str:
    counted[what] += 1
    return text


def learned_modules(rng: random.Random, counted: Counter[str], n: int) -> None:
    """Rename everything in the events of a world, learn its policy, and run the rendered module."""
    seed = 0
    while counted["texts in worlds"] < n:
        seed += 1
        for name in POLICIES:
            one_module(rng, counted, name, seed)


def one_module(rng: random.Random, counted: Counter[str], name: str, seed: int) -> None:
    """Learn from one renamed history."""
    here = world(name)
    names: dict[str, str] = {}

    def renamed(text: str) -> str:
        if text not in names:
            names[text] = _counted(hostile(rng), counted, "texts in worlds")
        return names[text]

    events = [renamed_event(each, renamed, rng, counted) for each in here.history(seed, EVENTS)]
    try:
        decided = learn(
            policy(name), cast("Any", SimulatedSummaries(events)), started(name), LearnConfiguration()
        )
        rendered = render(decided)
        check(rendered)
    except PoetError:
        counted["modules refused"] += 1
        return
    before = set(sys.modules)
    module = loaded(rendered.source, "candidate")
    new = set(sys.modules) - before
    assert all(each.startswith(TRUSTED) for each in new), f"importing it imported {new}"
    assert callable(getattr(module, name))
    counted["modules"] += 1
    counted["modules with learned rules"] += decided.has_learned
    texts_in_rules = set(texts_in([(rule.condition, rule.parameters) for rule in decided.active]))
    ours = policy(name).words | {""}
    counted["texts that reached a rule"] += len(texts_in_rules & set(names.values()) - ours)


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in texts_in(each))
    elif isinstance(value, list | tuple):
        yield from (text for each in value for text in texts_in(each))


def renamed_event(
    each: SimulatedEvent, renamed: Callable[[str], str], rng: random.Random, counted: Counter[str]
) -> SimulatedEvent:
    """Return an event with renamed texts where they are valid, and a text in an unknown field."""
    data = dict(each.data)
    for field, value in each.data.items():
        attempt = {**data, field: with_text(value, renamed)}
        try:
            make(each.type, attempt, source=each.source, time=each.time)
        except EventError:
            counted["fields refused"] += 1
        else:
            if field not in ("test", "policy"):
                data = attempt
    data[f"note {rng.random()}"] = _counted(hostile(rng), counted, "texts in worlds")
    try:
        make(each.type, data, source=each.source, time=each.time)
    except EventError:
        counted["notes refused"] += 1
        data.popitem()
    return SimulatedEvent(each.type, data, source=each.source, time=each.time)


def main(arguments: Sequence[str]) -> None:
    """Run both parts and print the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=5_000, help="texts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    counted: Counter[str] = Counter()
    rng = random.Random(options.seed)
    fields_of_events(rng, counted, options.n // 2)
    learned_modules(rng, counted, options.n // 2)
    for what, number in sorted(counted.items()):
        print(f"{what}: {number}")
    print("no crash, no change of shape, no import side effect")


if __name__ == "__main__":
    main(sys.argv[1:])
