"""The machine: the walls that its kernel can build around a candidate, and its clock."""

from collections.abc import Iterator
from datetime import UTC, datetime

from poet.doctor._finding import Finding, ok, problem, warning
from poet.validate import wall_strength

__all__ = ["examine_clock", "examine_machine", "examine_walls"]

WRITTEN = datetime(2026, 1, 1, tzinfo=UTC).timestamp()  # no clock that is right says less
SIGNALS_SINCE = 6  # the version of Landlock that keeps signals inside


def examine_machine(now: float) -> Iterator[Finding]:
    """Look at the walls and at the clock."""
    landlock, has_seccomp = wall_strength()
    yield from examine_walls(landlock, has_seccomp=has_seccomp)
    yield examine_clock(now)


def examine_walls(landlock: int, *, has_seccomp: bool) -> Iterator[Finding]:
    """Say how well candidates are kept in while they are validated."""
    instead = "the audit hook alone keeps a candidate from files and programs; validate on "
    if not landlock:
        yield warning(
            "landlock", "this kernel has none, or it is off", f"{instead}Linux 5.13 with lsm=landlock"
        )
    elif landlock < SIGNALS_SINCE:
        yield ok("landlock", f"version {landlock}: candidates write below their own folder alone")
    else:
        yield ok("landlock", f"version {landlock}: files and signals are kept in")
    if has_seccomp:
        yield ok("seccomp", "candidates start no programs and speak to nobody")
    else:
        yield warning("seccomp", "this kernel takes no filters", f"{instead}Linux with CONFIG_SECCOMP_FILTER")


def examine_clock(now: float) -> Finding:
    """Look at the clock, by which events are dated and old evidence fades."""
    says = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC"
    if now < WRITTEN:
        return problem("clock", f"{says} is before this release was written", "set the clock, or start NTP")
    return ok("clock", says)
