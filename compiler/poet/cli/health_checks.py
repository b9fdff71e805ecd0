"""The checks of `poet doctor`, in the order in which an installation would fail.

- Python and the libraries, as required by the installed package; optional libraries by extra.
- The machine: what its kernel can enforce while a candidate is validated, and its clock.
- The workspace: its settings, its folders, its log and its versions.
- The feedback log: whether it opens, is intact, and was written by clocks that agree with this one.
- The registry: every file has the digest that it was published with, and the active versions load.
"""

import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

import msgspec
from packaging.requirements import Requirement

from poet.build.kernel_sandbox import Kernel, capabilities, this_kernel
from poet.build.publish import has_package_types
from poet.log import EventFilter, FeedbackLog, open_log
from poet.workspace.configuration import read_configuration
from poet.workspace.upgrade import incompatibility
from poet_runtime.errors import PoetError, RegistryError, WorkspaceError
from poet_runtime.registry import (
    TYPES_FILE,
    UPGRADE_FILE,
    RegistryDocument,
    VersionEntry,
    as_published,
    changed_modules,
    read_document,
    read_published,
)

Severity = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: what was checked, its state, and the next step."""

    check: str
    severity: Severity
    says: str
    next_step: str = ""  # empty if healthy


def ok(check: str, says: str) -> Finding:
    """Return the finding of a healthy check."""
    return Finding(check=check, severity="ok", says=says)


def warning(check: str, says: str, next_step: str) -> Finding:
    """Return the finding of a check that works with restrictions."""
    return Finding(check=check, severity="warning", says=says, next_step=next_step)


def problem(check: str, says: str, next_step: str) -> Finding:
    """Return the finding of an unhealthy check that keeps POET from working."""
    return Finding(check=check, severity="problem", says=says, next_step=next_step)


DISTRIBUTION: Final = "poet-policy-compiler"
COMPILER: Final = "compiler"  # the extra that installs this command
OLDEST_PYTHON: Final = (3, 11)


def examine_python() -> Finding:
    """Check the interpreter."""
    says = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return problem("python", says, "run POET with Python 3.11 or later")
    return ok("python", says)


def examine_libraries() -> Iterator[Finding]:
    """Check the required libraries, then each extra."""
    asked = [Requirement(each) for each in metadata.requires(DISTRIBUTION) or ()]
    needed = [each for each in asked if each.name != DISTRIBUTION]  # an extra may require another extra
    always = [each for each in needed if _is_of(each, "") or _is_of(each, COMPILER)]
    here = {each.name for each in always}
    if lacking := shortcomings(always):
        step = f"pip install --upgrade --force-reinstall '{DISTRIBUTION}[{COMPILER}]'"
        yield problem("libraries", "; ".join(lacking), step)
    else:
        yield ok("libraries", ", ".join(f"{each.name} {_installed(each)}" for each in always))
    for extra in metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ():
        if extra == COMPILER:
            continue
        wanted = [each for each in needed if each.name not in here and _is_of(each, extra)]
        yield _extra(extra, wanted)


def shortcomings(wanted: Iterable[Requirement]) -> list[str]:
    """Return which libraries are missing or have a version other than required."""
    found = []
    for each in wanted:
        version = _installed(each)
        if not version:
            found.append(f"{each.name} is not installed")
        elif not each.specifier.contains(version, prereleases=True):
            found.append(f"{each.name} is {version}, required is {each.specifier}")
    return found


def _extra(extra: str, wanted: list[Requirement]) -> Finding:
    check = f"extra {extra}"
    lacking = shortcomings(wanted)
    if not lacking:
        return ok(check, ", ".join(f"{each.name} {_installed(each)}" for each in wanted))
    named = [
        each for each in wanted if extra in each.name
    ] or wanted  # others may be installed for another purpose
    if not any(map(_installed, named)):
        return ok(check, "not installed, and only needed for the feature of that name")
    return warning(check, "; ".join(lacking), f"pip install --upgrade '{DISTRIBUTION}[{extra}]'")


def _is_of(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _installed(requirement: Requirement) -> str:
    try:
        return metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return ""


def examine(folder: Path, *, now: float) -> Iterator[Finding]:
    """Check this machine and the workspace in a folder.

    Parameters
    ----------
    folder
        The workspace. If there is none, that is the last finding.
    now
        The time of the clock, in seconds since 1970.
    """
    yield examine_python()
    libraries = list(examine_libraries())
    yield from libraries
    if any(each.severity == "problem" for each in libraries):
        return  # the modules of the following checks could not be imported

    yield from examine_machine(now)
    yield from examine_workspace(folder, now=now)


FILE: Final = "log.sqlite3"
DEAD: Final = "dead-letters.jsonl"
AHEAD_S: Final = 300.0  # tolerated difference between the clocks of two machines
CHECKED_BELOW: Final = 1_000_000_000  # bytes; checking a larger log takes minutes


def examine_log(folder: Path, address: str, *, now: float) -> Iterator[Finding]:
    """Check a workspace's log, in its folder or at its address; a missing log is healthy."""
    file = folder / FILE
    if not address and not file.exists():
        yield ok("log", "no events yet")
        return
    if not address and (damage := _damage(file)):
        yield problem("log", f"{file}: {damage}", "move it away, then `poet import` an export of it")
        return
    try:
        with open_log(address or folder) as log:
            yield from _content(log, now)
    except (PoetError, ImportError) as error:
        says, _, then = str(error).rpartition("; ")
        yield problem("log", says or str(error), then if says else "see docs/stores.md")
    if (folder / DEAD).exists():
        yield warning(
            "dead letters",
            f"{folder / DEAD} contains refused events",
            "correct them, then `poet import` them",
        )


def _content(log: FeedbackLog, now: float) -> Iterator[Finding]:
    yield ok("log", f"{sum(log.count_by_type().values())} events, position {log.position()}")
    ahead = [each for each in log.newest(EventFilter()) if each.time > now + AHEAD_S]
    if ahead:
        hours = (ahead[0].time - now) / 3600.0
        says = f"{ahead[0].type} of {ahead[0].source} is dated {hours:.1f} hours ahead of this clock"
        yield warning("event times", says, "compare the two clocks; evidence fades by event time")


def _damage(file: Path) -> str:
    """Return the damage that SQLite reports; write nothing."""
    if file.stat().st_size > CHECKED_BELOW:
        return ""
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error as error:
        return str(error)
    return "" if said == "ok" else said


WRITTEN: Final = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # a correct clock cannot be earlier


def examine_machine(now: float) -> Iterator[Finding]:
    """Check the sandbox and the clock."""
    yield from examine_sandbox(this_kernel())
    yield examine_clock(now)


def examine_sandbox(kernel: Kernel) -> Iterator[Finding]:
    """Report which limits this system enforces while a candidate is validated, and how."""
    for each in capabilities(kernel):
        check = f"sandbox, {each.name}"
        if each.is_enforced:
            yield ok(check, each.means)
        else:
            yield warning(check, each.means, f"`poet compile` on {each.requires}, which enforces it")


def examine_clock(now: float) -> Finding:
    """Check the clock, which dates events and discounts old evidence."""
    says = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if now < WRITTEN:
        return problem("clock", f"{says} is before this release was written", "set the clock, or start NTP")
    return ok("clock", says)


RESTORE: Final = "restore it from version control; `poet compile --check` says what changed in it"
UPGRADE: Final = "`poet upgrade` renders the versions again, with their decisions unchanged"

_OTHER_RELEASE: Final = "another release wrote it"


def examine_versions(generated: Path) -> Iterator[Finding]:
    """Check each policy without executing a version."""
    try:
        document = read_document(generated)
    except RegistryError as error:
        says, _, then = str(error).rpartition("; ")
        yield problem("registry", says or str(error), then if says else RESTORE)
        return
    if not document.policies:
        yield problem("registry", f"{generated} has no published policy", "`poet init` in a new folder")
    if (generated / UPGRADE_FILE).exists():
        yield problem("upgrade", "an upgrade did not finish", "run `poet upgrade` again")
    package = generated / "__init__.py"
    if package.is_file() and (found := incompatibility(package.read_bytes())):
        yield problem("generated/__init__.py", f"{found}: {_OTHER_RELEASE}", UPGRADE)
    if document.policies and not has_package_types(generated, document):
        says = "does not have the types of the newest versions; type checkers see older ones, or none"
        yield warning(f"generated/{TYPES_FILE}", says, UPGRADE)
    for policy in sorted(document.policies):
        yield _policy(generated, policy, document)


def _policy(generated: Path, policy: str, document: RegistryDocument) -> Finding:
    entry = document.policies[policy]
    wrong = {
        number: says for number, each in entry.versions.items() if (says := _difference(generated, each))
    }
    if found := _first_problem(policy, entry.active, wrong, RESTORE):
        return found
    old = {
        number: f"{name}: {_OTHER_RELEASE}"
        for number, each in entry.versions.items()
        if (name := incompatibility(read_published(generated, each).source))
    }
    if found := _first_problem(policy, entry.active, old, UPGRADE):
        return found
    if word := entry.quarantined(entry.active):
        says = f"active version {entry.active} is in quarantine: {word.why}"
        return warning(policy, says, f"`poet rollback {policy}`, or `poet release {policy} {entry.active}`")
    if changed := changed_modules(generated, policy, document):
        told = "; ".join(f"version {each.version}: {each.path} {each.says}" for each in changed)
        return warning(policy, told, changed[-1].next_step)
    count = len(entry.versions)
    return ok(policy, f"version {entry.active} of {count} active, digests as published")


def _first_problem(policy: str, active: int, wrong: dict[str, str], next_step: str) -> Finding | None:
    """Return a problem if the active version is unhealthy, or a warning if another version is."""
    if (says := wrong.get(str(active))) is not None:
        return problem(policy, f"active version {active}: {says}", next_step)
    if wrong:
        told = "; ".join(f"version {number}: {says}" for number, says in wrong.items())
        return warning(policy, told, next_step)
    return None


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


FOLDERS: Final = ("generated", "feedback_log", "templates")
LITTLE_SPACE: Final = 200_000_000  # bytes


def examine_workspace(folder: Path, *, now: float) -> Iterator[Finding]:
    """Check everything in a workspace."""
    try:
        configuration = read_configuration(folder / "poet.toml")
    except (WorkspaceError, OSError) as error:
        says, _, then = str(error).rpartition("; ")
        yield problem("poet.toml", says or str(error), then if says else "check its permissions")
        return
    yield ok("poet.toml", f"start = {configuration.start}, source = {configuration.source}")
    yield from examine_folders(folder)
    yield from examine_log(folder / "feedback_log", configuration.store.address, now=now)
    yield from examine_versions(folder / "generated")


def examine_folders(folder: Path) -> Iterator[Finding]:
    """Check that compiles and events can write where they must, and that there is space."""
    for name in FOLDERS:
        yield _folder(folder / name, is_written=name != "templates")
    free = shutil.disk_usage(folder).free
    says = f"{free / 1e9:.1f} GB free"
    if free < LITTLE_SPACE:
        yield warning("disk", says, "free some space: events that cannot be written are lost to learning")
    else:
        yield ok("disk", says)


def _folder(path: Path, *, is_written: bool) -> Finding:
    check = f"{path.name}/"
    if not path.is_dir():
        if not is_written:
            return ok(check, "does not exist: the built-in templates are used")
        return problem(
            check,
            f"{path} is not a folder",
            "restore it from version control, or run `poet init` in a new folder",
        )
    wanted = os.R_OK | os.X_OK | (os.W_OK if is_written else 0)
    if not os.access(path, wanted):
        verb = "written" if is_written else "read"
        return problem(check, f"{path} cannot be {verb} by this user", f"chmod u+rwx {path}, or chown it")
    return ok(check, "can be written" if is_written else "can be read")
