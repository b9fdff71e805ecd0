"""The manifest of a version: the complete record of it, stored next to its module."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from poet.build.compare import Against
from poet.build.gates import ValidatedModule, ValidationReport
from poet.spec.decisions import Decisions
from poet_runtime import former_names
from poet_runtime.errors import PublishError
from poet_runtime.files import JsonDocument, to_json

FORMAT: Final = 2


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The machine-readable record of a version, from whose decisions the same bytes can be rendered."""

    format: int = FORMAT
    policy: str
    version: int
    revises: int | None
    source_sha256: str
    source: str | None = None  # of the module; None in manifests of releases that did not store it
    template_sha256: str
    compiler: str
    log_position: int
    log_prefix: str
    decisions: Decisions
    validation: ValidationReport
    against: Against | None = None  # the version it revises; None for a policy's first one


_DOCUMENT: Final = JsonDocument(
    type=Manifest,
    name="a manifest",
    next_step="restore it from version control",
    error=PublishError,
    format=FORMAT,
    former={1: former_names.manifest},
)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A published version."""

    policy: str
    number: int
    path: Path
    sha256: str


def module_name(policy: str, number: int) -> str:
    """Return the name of a version's module, such as ``detect_drift_v3``."""
    return f"{policy}_v{number}"


def manifest_of(module: ValidatedModule, against: Against | None = None) -> Manifest:
    """Return the manifest of a validated module and of its comparison with the version that it revises."""
    rendered = module.checked.rendered
    decisions = rendered.decisions
    return Manifest(
        policy=decisions.policy,
        version=decisions.version,
        revises=decisions.revises,
        source_sha256=hashlib.sha256(rendered.source.encode()).hexdigest(),
        source=rendered.source,
        template_sha256=rendered.template_sha256,
        compiler=version("poet-policy-compiler"),
        log_position=decisions.log_position,
        log_prefix=decisions.log_prefix,
        decisions=decisions,
        validation=module.report,
        against=against,
    )


def encode(manifest: Manifest) -> bytes:
    """Return the canonical JSON with sorted keys and two-space indent."""
    return to_json(manifest)


def read_manifest(generated: Path, policy: str, number: int) -> Manifest:
    """Read the manifest of a version.

    Raises
    ------
    PublishError
        The file is missing or is not a manifest.
    """
    path = generated / f"{module_name(policy, number)}.json"
    manifest = _DOCUMENT.read_if_exists(path)
    if manifest is None:
        known = sorted(found.stem for found in generated.glob(f"{policy}_v*.json"))
        raise PublishError(f"{path} is missing; published are {', '.join(known) or 'none'}")
    return manifest


def decode_manifest(content: bytes, path: Path) -> Manifest:
    """Decode the content of a manifest; `path` is for the message.

    Raises
    ------
    PublishError
        The content is not a manifest that this release supports.
    """
    return _DOCUMENT.decode(content, path)
