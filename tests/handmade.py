"""Versions written directly for tests that need them quickly: no template, no contract, no fsync."""

import hashlib
from pathlib import Path

import msgspec

from poet.build.check import check
from poet.build.gates import Gate, ValidatedModule, ValidationReport
from poet.build.publish import publish
from poet.build.render import render
from poet.spec.decisions import Decisions
from poet_runtime.registry import PolicyEntry, RegistryDocument, VersionEntry

MODULE = """
VERSION = {number}


def {policy}(work=0):
    first = VERSION
    total = sum(range(work))
    return first, VERSION if total >= 0 else None
"""


def write_version(generated: Path, policy: str, number: int, *, source: str = "") -> VersionEntry:
    """Write a module that returns its version, read before and after some work."""
    text = (source or MODULE.format(policy=policy, number=number)).encode()
    name = f"{policy}_v{number}.py"
    (generated / name).write_bytes(text)
    digest, manifest = hashlib.sha256(text).hexdigest(), b"{}\n"
    (generated / name).with_suffix(".json").write_bytes(manifest)
    return VersionEntry(module=name, sha256=digest, manifest_sha256=hashlib.sha256(manifest).hexdigest())


def write_registry(
    generated: Path,
    active: dict[str, int],
    versions: dict[str, dict[str, VersionEntry]],
    *,
    previous: int | None = None,
) -> None:
    """Write a registry with these active versions."""
    policies = {
        policy: PolicyEntry(active=number, previous=previous, versions=versions[policy])
        for policy, number in active.items()
    }
    aside = generated / "aside"
    aside.write_bytes(msgspec.json.encode(RegistryDocument(policies=policies)))
    aside.replace(generated / "registry.json")


def write_versions(
    generated: Path, *policies: str, numbers: tuple[int, ...] = (1, 2)
) -> dict[str, dict[str, VersionEntry]]:
    """Write these versions of these policies."""
    return {
        policy: {str(number): write_version(generated, policy, number) for number in numbers}
        for policy in policies
    }


def publish_case(case: Path, generated: Path) -> tuple[str, int]:
    """Publish the decisions of a golden folder without validating them; return the policy and its version."""
    decisions = msgspec.json.decode((case / "decisions.json").read_bytes(), type=Decisions)
    report = ValidationReport(policy=decisions.policy, gates=(Gate(name="import", passed=True),))
    module = ValidatedModule(check(render(decisions)), report)
    publish([module], generated, who="user/ana", why="", at="2026-01-01T00:00:00+00:00")
    return decisions.policy, decisions.version
