"""The registry: every published file has the digest that it was published with, and the active ones load."""

from collections.abc import Iterator
from pathlib import Path

from poet.doctor._finding import Finding, ok, problem, warning
from poet.errors import RegistryError
from poet.registry import (
    RegistryDocument,
    VersionEntry,
    as_published,
    changed_modules,
    read_document,
    read_published,
)

__all__ = ["examine_versions"]

RESTORE = "restore it from version control; `poet compile --check` says what changed in it"


def examine_versions(generated: Path) -> Iterator[Finding]:
    """Look at each policy; nothing is executed."""
    try:
        document = read_document(generated)
    except RegistryError as error:
        says, _, then = str(error).rpartition("; ")
        yield problem("registry", says or str(error), then if says else RESTORE)
        return
    if not document.policies:
        yield problem("registry", f"{generated} has no published policy", "`poet init` in a new folder")
    for policy in sorted(document.policies):
        yield _policy(generated, policy, document)


def _policy(generated: Path, policy: str, document: RegistryDocument) -> Finding:
    entry = document.policies[policy]
    wrong = {
        number: says for number, each in entry.versions.items() if (says := _difference(generated, each))
    }
    if str(entry.active) in wrong:
        return problem(policy, f"active version {entry.active}: {wrong[str(entry.active)]}", RESTORE)
    if wrong:
        told = "; ".join(f"version {number}: {says}" for number, says in wrong.items())
        return warning(policy, told, RESTORE)
    if word := entry.quarantined(entry.active):
        says = f"active version {entry.active} is in quarantine: {word.why}"
        return warning(policy, says, f"`poet rollback {policy}`, or `poet release {policy} {entry.active}`")
    if changed := changed_modules(generated, policy, document):
        told = "; ".join(f"version {each.version}: {each.path} {each.says}" for each in changed)
        return warning(policy, told, changed[-1].next_step)
    count = len(entry.versions)
    return ok(policy, f"version {entry.active} of {count} active, digests as published")


def _difference(generated: Path, version: VersionEntry) -> str:
    try:
        read_published(generated, version)
    except RegistryError as error:
        return _first_difference(generated, version) or str(error)
    return ""


def _first_difference(generated: Path, version: VersionEntry) -> str:
    module = generated / version.module
    for path, published in ((module, version.sha256), (module.with_suffix(".json"), version.manifest_sha256)):
        try:
            content = path.read_bytes()
        except OSError as error:
            return f"{path.name} cannot be read ({error.strerror})"
        if as_published(content, published) is None:
            return f"{path.name} was changed after it was published"
    return ""
