"""Python and the libraries, as the installed package asks for them; optional ones by extra."""

import platform
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata

from packaging.requirements import Requirement

from poet.doctor._finding import Finding, ok, problem, warning

__all__ = ["examine_libraries", "examine_python", "shortcomings"]

DISTRIBUTION = "poet-policy-compiler"
OLDEST_PYTHON = (3, 11)


def examine_python() -> Finding:
    """Look at the interpreter."""
    says = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return problem("python", says, "run POET with Python 3.11 or later")
    return ok("python", says)


def examine_libraries() -> Iterator[Finding]:
    """Look at what the package needs, then at each extra."""
    needed = [Requirement(each) for each in metadata.requires(DISTRIBUTION) or ()]
    always = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    if lacking := shortcomings(always):
        yield problem(
            "libraries", "; ".join(lacking), f"pip install --upgrade --force-reinstall {DISTRIBUTION}"
        )
    else:
        yield ok("libraries", ", ".join(f"{each.name} {_installed(each)}" for each in always))
    for extra in metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ():
        wanted = [each for each in needed if each not in always and _is_of(each, extra)]
        yield _extra(extra, wanted)


def shortcomings(wanted: Iterable[Requirement]) -> list[str]:
    """Say which libraries are missing or of another version than asked for."""
    found = []
    for each in wanted:
        version = _installed(each)
        if not version:
            found.append(f"{each.name} is not installed")
        elif not each.specifier.contains(version, prereleases=True):
            found.append(f"{each.name} is {version}, asked for is {each.specifier}")
    return found


def _extra(extra: str, wanted: list[Requirement]) -> Finding:
    check = f"extra {extra}"
    lacking = shortcomings(wanted)
    if not lacking:
        return ok(check, ", ".join(f"{each.name} {_installed(each)}" for each in wanted))
    named = [each for each in wanted if extra in each.name] or wanted  # others may be here for something else
    if not any(map(_installed, named)):
        return ok(check, "not installed, and only needed for what it is named after")
    return warning(check, "; ".join(lacking), f"pip install --upgrade '{DISTRIBUTION}[{extra}]'")


def _is_of(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is not None and requirement.marker.evaluate({"extra": extra})


def _installed(requirement: Requirement) -> str:
    try:
        return metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return ""
