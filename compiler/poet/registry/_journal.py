"""The journal: who let which version answer, when and why. Lines are added, never changed.

A line is written before the registry that it tells of, so no change goes untold. A compiler killed between
the two leaves lines of a change that never happened. Each line names its registry's generation and the one
before it, so what did happen is the chain that leads back from the registry as it is.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from poet.errors import PublishError
from poet.registry._document import read_document

__all__ = ["FILE", "Mode", "Move", "append", "last_change", "read_journal"]

FILE = "journal.jsonl"


Mode = Literal["active", "shadow", "shadow ends", "canary", "canary ends", "quarantine", "release"]


class Move(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}, omit_defaults=True):
    """One policy in one change of the registry; `from_` equals `to` where a version was only published.

    In the other modes `from_` is the version that answers, `to` the one that is spoken of.
    """

    generation: int
    follows: int  # the generation before
    policy: str
    from_: int | None
    to: int
    who: str
    why: str
    when: str
    mode: Mode = "active"


def append(generated: Path, moves: Sequence[Move]) -> None:
    """Add lines and force them to disk; half a line that a kill left at the end gives way."""
    path = generated / FILE
    whole = _whole(path)
    with path.open("ab") as journal:
        journal.truncate(len(whole))
        journal.write(b"".join(msgspec.json.encode(move) + b"\n" for move in moves))
        journal.flush()
        os.fsync(journal.fileno())


def read_journal(generated: Path) -> tuple[Move, ...]:
    """Read the changes that led to the registry as it is, oldest first.

    Raises
    ------
    PublishError
        A line is not one of the journal's.
    """
    found: list[Move] = []
    generation = before = read_document(generated).generation
    for move in reversed(_moves(generated / FILE)):
        if move.generation == before:
            generation = before
        if move.generation == generation:
            found.append(move)
            before = move.follows
    return tuple(reversed(found))


def last_change(generated: Path) -> Move | None:
    """Give the newest change that the journal tells of, whether it came about or not.

    Raises
    ------
    PublishError
        A line is not one of the journal's.
    """
    moves = _moves(generated / FILE)
    return max(moves, key=lambda move: move.generation) if moves else None


def _moves(path: Path) -> list[Move]:
    moves = []
    for number, line in enumerate(_whole(path).splitlines(), start=1):
        try:
            moves.append(msgspec.json.decode(line, type=Move))
        except msgspec.DecodeError as error:
            raise PublishError(
                f"{path}, line {number}: {error}; put the line right, or move the file away"
            ) from error
    return moves


def _whole(path: Path) -> bytes:
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]
