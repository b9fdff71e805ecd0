"""Modules to publish as if they had been validated."""

import hashlib
from pathlib import Path
from types import ModuleType

import msgspec

from poet.build.check import check
from poet.build.gates import Gate, ValidatedModule, ValidationReport
from poet.build.manifest import Version, encode, read_manifest
from poet.build.probes import loaded
from poet.build.publish import publish
from poet.build.render import render
from poet.spec import policy
from poet.spec.decisions import Decisions
from poet_runtime.registry import read_document

WINDOW = "calculate_adaptive_window"


def validated(number: int, *, window: int | None = None) -> ValidatedModule:
    """Return version `number` of the window policy, whose window is 1000 times `number` by default."""
    first = policy(WINDOW).version_1("")
    size = window or (5000 if number == 1 else 1000 * number)
    rules = tuple(
        msgspec.structs.replace(rule, parameters={"window": size}) if rule.kind == "band" else rule
        for rule in first.rules
    )
    revises = None if number == 1 else number - 1
    decisions = msgspec.structs.replace(first, version=number, revises=revises, rules=rules)
    report = ValidationReport(policy=WINDOW, gates=(Gate(name="import", passed=True),))
    return ValidatedModule(check(render(decisions)), report)


def published(generated: Path, *numbers: int) -> tuple[Version, ...]:
    """Publish these versions one after another and return the last one."""
    last: tuple[Version, ...] = ()
    for number in numbers:
        last = publish(
            [validated(number)], generated, who="user/ana", why="a test", at="2026-01-01T00:00:00+00:00"
        )
    return last


def retell(generated: Path, name: str, number: int = 1, *, source: str | None) -> None:
    """Change the source in the manifest of a version, and the digest of that manifest in the registry."""
    manifest = encode(msgspec.structs.replace(read_manifest(generated, name, number), source=source))
    (generated / f"{name}_v{number}.json").write_bytes(manifest)
    document = read_document(generated)
    entry = document.policies[name]
    digest = hashlib.sha256(manifest).hexdigest()
    version = msgspec.structs.replace(entry.versions[str(number)], manifest_sha256=digest)
    entry = msgspec.structs.replace(entry, versions={**entry.versions, str(number): version})
    after = msgspec.structs.replace(document, policies={**document.policies, name: entry})
    (generated / "registry.json").write_bytes(msgspec.json.encode(after))


def forget_source(generated: Path, name: str, number: int = 1) -> None:
    """Change the manifest of a version into one of a release that stored no source."""
    retell(generated, name, number, source=None)


def validated_first(name: str) -> ValidatedModule:
    """Return version 1 of any policy."""
    decisions = policy(name).version_1("")
    report = ValidationReport(policy=name, gates=(Gate(name="import", passed=True),))
    return ValidatedModule(check(render(decisions)), report)


def module_of(decisions: Decisions) -> ModuleType:
    """Render decisions, check the module and execute it in this process."""
    rendered = render(decisions)
    check(rendered)
    return loaded(rendered.source, f"{decisions.policy}_v{decisions.version}")
