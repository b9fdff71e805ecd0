"""One compile in a process of its own: ``python -m poet.monitor._compile FOLDER``, by who has the turn."""

import os
import sys
from pathlib import Path

from poet.errors import PoetError
from poet.watch import compile_and_remember
from poet.workspace import Workspace

__all__ = ["main"]

NICENESS = 10  # of 19: the program that asked comes first


def main(folder: Path) -> None:
    """Compile, and print what was published."""
    os.nice(NICENESS)
    try:
        with Workspace.open(folder) as workspace:
            report = compile_and_remember(workspace)
    except PoetError as error:
        sys.exit(str(error))  # on standard error, with status 1
    print(", ".join(f"{policy} version {number}" for policy, number in sorted(report.versions.items())))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
