"""What a decorator is told, checked before anything runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from poet.errors import MonitorError
from poet.policies import domains

if TYPE_CHECKING:
    from poet.workspace import Workspace

__all__ = ["Learning", "Options", "checked"]

Learning = Literal["continuous", "manual"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a function or an agent learns."""

    domain: str = "ml_monitoring"
    learning: Learning = "continuous"
    learning_threshold: int | None = None  # None: as the workspace's poet.toml says
    workspace: "Workspace | str | Path | None" = None  # None: the current folder


def checked(
    *,
    domain: str,
    learning: str,
    learning_threshold: int | None,
    workspace: "Workspace | str | Path | None",
    unknown: dict[str, object],
) -> Options:
    """Refuse what no decorator can mean.

    Raises
    ------
    MonitorError
        A keyword, domain or learning mode is unknown, or the threshold is not a positive number of events.
    """
    if unknown:
        known = "domain, learning, learning_threshold, workspace, policy"
        raise MonitorError(f"@poet knows no {', '.join(sorted(unknown))}; it takes {known}")
    if domain not in domains():
        raise MonitorError(f"no domain {domain!r}; known are {', '.join(domains())}")
    mode = next((each for each in get_args(Learning) if each == learning), None)
    if mode is None:
        raise MonitorError(f"no learning mode {learning!r}; known are {', '.join(get_args(Learning))}")
    number = learning_threshold
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
        raise MonitorError(f"learning_threshold is {number!r}; give a number of events, at least 1")
    return Options(domain=domain, learning=mode, learning_threshold=number, workspace=workspace)
