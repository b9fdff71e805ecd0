"""Look at everything, in the order in which it would fail."""

from collections.abc import Iterator
from pathlib import Path

from poet.doctor._finding import Finding
from poet.doctor._libraries import examine_libraries, examine_python

__all__ = ["examine"]


def examine(folder: Path, *, now: float) -> Iterator[Finding]:
    """Look at this machine and at the workspace in a folder.

    Parameters
    ----------
    folder
        The workspace; where there is none, that is the last finding.
    now
        What the clock says, in seconds since 1970.
    """
    yield examine_python()
    libraries = list(examine_libraries())
    yield from libraries
    if any(each.severity == "problem" for each in libraries):
        return  # what follows could not even be imported
    from poet.doctor._machine import examine_machine  # noqa: PLC0415 -- the doctor comes where these fail
    from poet.doctor._workspace import examine_workspace  # noqa: PLC0415

    yield from examine_machine(now)
    yield from examine_workspace(folder, now=now)
