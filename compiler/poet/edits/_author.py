"""Who edited a file: what git says of its user, where there is one."""

import re
import subprocess
from pathlib import Path

__all__ = ["author"]

_PLAIN = re.compile(r"[^a-z0-9._-]+")
_PATIENCE_S = 5.0


def author(path: Path, *, otherwise: str) -> str:
    """Name the person who works in the git work tree around a file, as a source: ``user/ana``."""
    try:
        ended = subprocess.run(  # noqa: S603 -- a list of words of ours and a folder, no shell
            ["git", "-C", str(path.parent), "config", "user.email"],  # noqa: S607 -- whichever git the person uses
            capture_output=True,
            timeout=_PATIENCE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return otherwise
    name = ended.stdout.decode(errors="replace").strip().partition("@")[0].lower()
    plain = _PLAIN.sub("-", name).strip("-")[:60]
    return f"user/{plain}" if plain else otherwise
