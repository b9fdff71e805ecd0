"""Upgrade of a workspace: render the decisions of earlier releases with this release's templates.

Nothing is learned and no decision changes. A version keeps its number, its log position, its comparison with
the version it revises, and the report of its validation.

An upgrade replaces files that the registry knows by their digests, so it must survive a kill. Before the
first file changes, a note in the folder lists the digests of all new files. Then the modules are replaced,
then the manifests, and at last the registry, by one rename. Until then, the registry names the old digests,
so no process runs a new file. After a kill, the next upgrade accepts exactly those files that have the old
digest or a digest of the note, and finishes the work.
"""

import ast
import hashlib
import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Final

import msgspec

from poet.build.manifest import FORMAT as MANIFEST_FORMAT
from poet.build.manifest import Manifest, decode_manifest, encode
from poet.build.publish import ATTRIBUTES, published_source
from poet.build.render import RenderedModule, render
from poet.build.validate import validate
from poet.spec.decisions import Decisions
from poet_runtime import former_names
from poet_runtime.errors import (
    CheckError,
    PluginError,
    PublishError,
    RegistryError,
    RenderError,
    ValidationError,
)
from poet_runtime.files import JsonDocument, atomic_write, fsync_directory, lock, remove, to_json
from poet_runtime.registry import (
    STANDING,
    TYPES_FILE,
    UPGRADE_FILE,
    Change,
    PolicyEntry,
    RegistryDocument,
    VersionEntry,
    as_published,
    package_types,
    published_bytes,
    read_document,
)

Rendering = Callable[[Decisions], RenderedModule]

PATIENCE_S: Final = 30.0
FORMAT: Final = 1
OWN_PACKAGES: Final = ("poet", "poet_runtime")
# The manifest fields that an upgrade writes; all others are preserved.
REWRITTEN: Final = frozenset({"source", "source_sha256", "template_sha256", "compiler"})
_EARLIER_PACKAGE: Final = b'''\
"""The policies of this workspace. Written by poet; which version runs, registry.json says."""

from pathlib import Path

from poet_runtime.registry import Registry

_registry = Registry(Path(__file__).parent)


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    return _registry.attribute(name)


def __dir__():
    return sorted(_registry.names())
'''
EARLIER: Final[Mapping[str, tuple[bytes, ...]]] = {
    "__init__.py": (
        _EARLIER_PACKAGE,
        _EARLIER_PACKAGE.replace(b"from poet_runtime.registry", b"from poet.registry"),
    ),
    ".gitattributes": (b"*.py linguist-generated=false\n*.json linguist-generated=true\n",),
}
# Errors that prevent one version from being rendered; the others are still upgraded.
_LEAVES: Final = (CheckError, PluginError, RenderError, ValidationError)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The changes that an upgrade made or would make.

    Parameters
    ----------
    versions
        The versions that were rendered again, as policy and number.
    files
        The other files that were rewritten, by name.
    skipped
        What was skipped, by name, and why.
    was_interrupted
        Whether an earlier upgrade did not finish.
    """

    versions: tuple[tuple[str, int], ...] = ()
    files: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    was_interrupted: bool = False

    @property
    def is_change(self) -> bool:
        """Return whether there is something to write."""
        return bool(self.versions or self.files or self.was_interrupted)


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    """The additional digests that a file may have while an upgrade is in progress."""

    format: int = FORMAT
    digests: dict[str, tuple[str, ...]]


_NOTE: Final = JsonDocument(
    type=_Note,
    name="the note of an upgrade",
    next_step="restore the folder from version control, delete this file, then run `poet upgrade` again",
    error=PublishError,
    format=FORMAT,
)


@dataclass(frozen=True, slots=True)
class _Rendered:
    """A version that is rendered again: its two files and its entry in the registry, old and new."""

    policy: str
    number: int
    source: bytes
    manifest: bytes
    before: VersionEntry
    after: VersionEntry

    @property
    def files(self) -> dict[str, bytes]:
        """Return the new contents by file name."""
        module = Path(self.after.module)
        return {module.name: self.source, module.with_suffix(".json").name: self.manifest}


def upgrade(
    generated: Path,
    rendering: Rendering,
    *,
    who: str,
    at: str,
    is_check: bool = False,
    counterexamples: Path | None = None,
) -> Upgrade:
    """Render every published version again from its decisions, and write what differs.

    Parameters
    ----------
    generated
        The folder of versions.
    rendering
        Renders decisions with the templates of the workspace.
    who, at
        For the journal: a name, a time (RFC 3339).
    is_check
        Write nothing; only return what an upgrade would change.
    counterexamples
        The folder of inputs on which candidates failed, for modules of the workspace's own templates.

    Raises
    ------
    PublishError
        A module was edited, or a manifest is damaged. Nothing was written.
    """
    if is_check:
        return _Work(generated, read_document(generated), rendering).found
    with lock(generated, timeout_s=PATIENCE_S):
        release = installed_version("poet-policy-compiler")
        why = f"rendered again by release {release}, decisions unchanged"
        change = Change(generated, who=who, why=why, at=at)
        work = _Work(generated, change.before, rendering)
        if work.found.versions:
            work = work.proved(counterexamples)
        if work.found.is_change:
            work.write(change)
    return work.found


class _Work:
    """The pending upgrade of a folder. It reads everything and writes nothing until `write`."""

    def __init__(self, generated: Path, document: RegistryDocument, rendering: Rendering) -> None:
        self._generated, self._document = generated, document
        note = _NOTE.read_if_exists(generated / UPGRADE_FILE)
        self._digests = {} if note is None else note.digests
        self._skipped: dict[str, str] = {}
        self._was_interrupted = note is not None
        self._versions = self._rendered(rendering)
        self._files = dict(self._outdated_files()) if document.policies else {}

    @property
    def found(self) -> Upgrade:
        """What changes."""
        return Upgrade(
            versions=tuple((each.policy, each.number) for each in self._versions),
            files=tuple(self._files),
            skipped=dict(self._skipped),
            was_interrupted=self._was_interrupted,
        )

    def proved(self, counterexamples: Path | None) -> "_Work":
        """Return the same without the versions of the workspace's own templates that break their contract.

        The tests of this release cover the built-in templates, but not a template in ``templates/``.
        """
        kept = []
        for each in self._versions:
            try:
                kept.append(_proved(each, counterexamples))
            except ValidationError as error:
                self._skipped[_named(each.policy, each.number)] = str(error)
        self._versions = kept
        return self

    def write(self, change: Change) -> None:
        """Write the note, the modules, the manifests, the other files, and the registry."""
        contents = [each.files for each in self._versions]
        digests = {
            name: tuple(sorted({*self._digests.get(name, ()), _sha256(content)}))
            for files in contents
            for name, content in files.items()
        }
        if digests:
            note = _Note(digests=self._digests | digests)
            atomic_write(self._generated / UPGRADE_FILE, to_json(note))
        # A manifest with its source lets a version answer while its module is already replaced.
        for suffix in (".py", ".json"):
            for files in contents:
                for name, content in files.items():
                    if name.endswith(suffix):
                        _write_if_other(self._generated / name, content)
        for name, content in self._files.items():
            atomic_write(self._generated / name, content)
        change.commit({name: self._entry(name, entry) for name, entry in change.before.policies.items()})
        remove(self._generated / UPGRADE_FILE)
        fsync_directory(self._generated)

    def _rendered(self, rendering: Rendering) -> list[_Rendered]:
        found, refused = [], []
        for policy, entry in sorted(self._document.policies.items()):
            for number in sorted(map(int, entry.versions)):
                try:
                    each = self._version(policy, number, entry.versions[str(number)], rendering)
                except _LEAVES as error:
                    self._skipped[_named(policy, number)] = str(error)
                except (PublishError, RegistryError) as error:
                    refused.append(str(error))
                else:
                    found += [] if each is None else [each]
        if refused:
            raise PublishError("\n  ".join(("nothing was upgraded:", *refused)))
        return found

    def _version(
        self, policy: str, number: int, entry: VersionEntry, rendering: Rendering
    ) -> _Rendered | None:
        """Return the version as this release renders it, or None if that is what is published."""
        from poet.build.check import check  # noqa: PLC0415 -- importing libcst is slow

        path = self._generated / Path(entry.module).with_suffix(".json")
        content = self._published_manifest(path, entry)
        manifest = decode_manifest(content, path)
        _require_of(manifest, policy, number, path)
        rendered = rendering(manifest.decisions)
        source = rendered.source.encode()
        digests = _sha256(source), _sha256(content)
        is_current = digests == (entry.sha256, entry.manifest_sha256) and manifest.source == rendered.source
        if is_current and not self._is_half_written(entry):
            return None
        check(rendered)
        self._require_unedited(self._generated / entry.module, entry, source)
        after = encode(
            msgspec.structs.replace(
                manifest,
                source=rendered.source,
                source_sha256=_sha256(source),
                template_sha256=rendered.template_sha256,
                compiler=installed_version("poet-policy-compiler"),
                format=MANIFEST_FORMAT,
            )
        )
        _require_kept(content, after, path)
        new = VersionEntry(module=entry.module, sha256=_sha256(source), manifest_sha256=_sha256(after))
        return _Rendered(policy, number, source, after, entry, new)

    def _published_manifest(self, path: Path, entry: VersionEntry) -> bytes:
        for digest in self._digests.get(path.name, ()):
            if path.is_file() and (found := as_published(path.read_bytes(), digest)) is not None:
                return found
        return published_bytes(path, entry.manifest_sha256)

    def _is_half_written(self, entry: VersionEntry) -> bool:
        """Return whether the module on disk was written by an upgrade that did not finish."""
        path = self._generated / entry.module
        noted = [each for each in self._digests.get(path.name, ()) if each != entry.sha256]
        if not noted or not path.is_file():
            return False
        content = path.read_bytes()
        return any(as_published(content, each) is not None for each in noted)

    def _require_unedited(self, path: Path, entry: VersionEntry, source: bytes) -> None:
        """Refuse a module that a person edited; one that is missing is written."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise PublishError(
                f"{path} cannot be read ({error.strerror}); check its permissions, then try again"
            ) from error
        known = (entry.sha256, _sha256(source), *self._digests.get(path.name, ()))
        if all(as_published(content, digest) is None for digest in known):
            raise PublishError(
                f"{path} was edited after it was published, and an upgrade would overwrite the edit; restore "
                "the file from version control, or compile the edit with the release that wrote it"
            )

    def _outdated_files(self) -> Iterator[tuple[str, bytes]]:
        for name, content in (STANDING | {".gitattributes": ATTRIBUTES.encode()}).items():
            path = self._generated / name
            there = path.read_bytes().replace(b"\r\n", b"\n") if path.is_file() else None
            if there == content:
                continue
            if there in EARLIER.get(name, ()) or (there is None and name in STANDING):
                yield name, content
            elif there is not None and name == "__init__.py":
                self._skipped[name] = "was changed by hand; delete it, and `poet upgrade` writes it"
        types, path = package_types(self._document), self._generated / TYPES_FILE
        if not path.is_file() or path.read_bytes().replace(b"\r\n", b"\n") != types:
            yield TYPES_FILE, types

    def _entry(self, policy: str, entry: PolicyEntry) -> PolicyEntry:
        """Return the entry with the new digests, also where guards or people refer to a version."""
        mine = [each for each in self._versions if each.policy == policy]
        versions = entry.versions | {str(each.number): each.after for each in mine}
        renamed = {each.before.sha256: each.after.sha256 for each in mine}
        return msgspec.structs.replace(
            entry,
            versions=versions,
            quarantine=tuple(
                msgspec.structs.replace(each, sha256=renamed.get(each.sha256, each.sha256))
                for each in entry.quarantine
            ),
            slow=tuple(
                msgspec.structs.replace(each, sha256=renamed.get(each.sha256, each.sha256))
                for each in entry.slow
            ),
        )


def _proved(each: _Rendered, counterexamples: Path | None) -> _Rendered:
    """Validate a module of one of the workspace's own templates against its contract."""
    from poet.build.check import CheckedModule  # noqa: PLC0415 -- importing libcst is slow

    manifest = msgspec.json.decode(each.manifest, type=Manifest)
    rendered = _built_in(manifest.decisions)
    if rendered is not None and rendered.template_sha256 == manifest.template_sha256:
        return each
    own = RenderedModule(manifest.decisions, each.source.decode(), "", manifest.template_sha256)
    with tempfile.TemporaryDirectory(prefix="poet-staging-") as staging:
        validated = validate(
            CheckedModule(own, each.after.sha256), staging=Path(staging), counterexamples=counterexamples
        )
    content = encode(msgspec.structs.replace(manifest, validation=validated.report))
    after = msgspec.structs.replace(each.after, manifest_sha256=_sha256(content))
    return _Rendered(each.policy, each.number, each.source, content, each.before, after)


def _built_in(decisions: Decisions) -> RenderedModule | None:
    try:
        return render(decisions)
    except RenderError:
        return None


def _require_of(manifest: Manifest, policy: str, number: int, path: Path) -> None:
    decisions = manifest.decisions
    said = {(manifest.policy, manifest.version), (decisions.policy, decisions.version)}
    if said != {(policy, number)}:
        raise PublishError(
            f"{path} is not the manifest of {policy} version {number}; restore it from version control"
        )


def _require_kept(before: bytes, after: bytes, path: Path) -> None:
    """Refuse a manifest with content unknown to this release, such as fields of a later one."""
    former = msgspec.json.decode(before)
    if former.get("format") != MANIFEST_FORMAT:
        former = former_names.manifest(former)
    old, new = (
        {name: value for name, value in each.items() if name not in REWRITTEN}
        for each in (former, msgspec.json.decode(after))
    )
    if lost := _lost(old, new, ""):
        raise PublishError(
            f"{path}: this release would not keep {lost.removeprefix('.')}; upgrade POET, then try again"
        )


def _lost(old: object, new: object, where: str) -> str:
    """Return where the new document lacks or changes a value of the old one; empty if nowhere."""
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = ((f"{where}.{name}", value, new.get(name, _MISSING)) for name, value in old.items())
        return next((found for name, one, other in pairs if (found := _lost(one, other, name))), "")
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        numbered = ((f"{where}[{place}]", *pair) for place, pair in enumerate(zip(old, new, strict=True)))
        return next((found for name, one, other in numbered if (found := _lost(one, other, name))), "")
    return "" if old == new else where


_MISSING: Final = object()


def _write_if_other(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        atomic_write(path, content)


def _named(policy: str, number: int) -> str:
    return f"{policy} version {number}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def require_current(generated: Path, policy: str, number: int) -> None:
    """Refuse a version whose module needs a part of POET that this release does not have.

    Raises
    ------
    PublishError
        Another release wrote it, or an upgrade of the folder did not finish.
    """
    if (generated / UPGRADE_FILE).exists():
        raise PublishError(f"an upgrade of {generated} did not finish; run `poet upgrade` again")
    try:
        source = published_source(generated, policy, number).encode()
    except PublishError:
        return  # it cannot run in any release
    path = generated / f"{policy}_v{number}.py"
    if found := incompatibility(source):
        raise PublishError(f"{path} {found}: another release wrote it; run `poet upgrade`")


def incompatibility(source: bytes) -> str:
    """Return why a module of another release cannot run in this one, as a predicate; empty if it can."""
    if missing := missing_import(source):
        return f"imports {missing}, which this release does not have"
    former = former_names.in_module(source)
    return f"uses the name {former!r}, which this release replaced" if former else ""


def missing_import(source: bytes) -> str:
    """Return the first name that a module imports from POET and that this release lacks; empty if none."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.ImportFrom) and each.module]
    found = (_missing(each.module or "", [alias.name for alias in each.names]) for each in imports)
    return next(filter(None, found), "")


def _missing(module: str, names: list[str]) -> str:
    if module.partition(".")[0] not in OWN_PACKAGES:
        return ""
    try:
        loaded = importlib.import_module(module)
    except ImportError:
        return module
    return next((f"{module}.{name}" for name in names if not hasattr(loaded, name)), "")
