"""The token file: names, roles and digests, and the rights of the three roles.

A token itself is shown once and never stored.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec

from poet_runtime.errors import AccessError
from poet_runtime.files import JsonDocument, atomic_write, lock, to_json

Role = Literal["emit", "review", "operate"]
Right = Literal["emit", "read", "review", "operate"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
_RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    "emit": frozenset({"emit"}),  # a program: may write events, but not read
    "review": frozenset(
        {"read", "review"}
    ),  # a person: may read everything, and labels in their own name only
    "operate": frozenset({"emit", "read", "review", "operate"}),  # may also change the active version
}


def rights_of(role: Role) -> frozenset[Right]:
    """Return the rights of a role."""
    return _RIGHTS[role]


FILE: Final = "access.json"
LOCK: Final = "access.lock"
PATIENCE_S: Final = 30.0
FORMAT: Final = 1
SECRET_BYTES: Final = 32  # of randomness, which makes one round of SHA-256 as strong as a slow hash
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_SECRET: Final = re.compile(r"poet_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token: its holder, its rights, and the digest that identifies it.

    `sources` are the only allowed sources of its events, each including all that start with it and a slash.
    An empty tuple allows any source.
    """

    id: str
    name: str
    role: Role
    sha256: str
    created: str
    sources: tuple[str, ...] = ()

    def may(self, right: Right) -> bool:
        """Return whether the role has a right."""
        return right in rights_of(self.role)

    def speaks_for(self, source: str) -> bool:
        """Return whether the token allows events of this source."""
        return not self.sources or any(
            source == each or source.startswith(f"{each}/") for each in self.sources
        )


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    format: int = FORMAT
    tokens: tuple[Token, ...] = ()


_DOCUMENT: Final = JsonDocument(
    type=_Document,
    name="a token file",
    next_step="restore it, or delete it and create new tokens",
    error=AccessError,
    format=FORMAT,
)


class Tokens:
    """The tokens of a workspace in a file that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._seen: tuple[int, int, int] | None = None
        self._document = _Document()

    def all(self) -> tuple[Token, ...]:
        """Return the tokens, oldest first; changes by other processes are visible immediately.

        Raises
        ------
        AccessError
            The file is not a token file. Then no one has access.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._seen, self._document = None, _Document()
            return ()
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen != self._seen:
            self._document, self._seen = _DOCUMENT.read(self.path), seen
        return self._document.tokens

    def find(self, secret: str) -> Token | None:
        """Return the token of a secret; None if it is unknown or revoked."""
        said = _SECRET.fullmatch(secret)
        if said is None:
            return None
        digest = _digest(secret)
        for token in self.all():
            if token.id == said[1] and hmac.compare_digest(token.sha256, digest):
                return token
        return None

    def create(self, name: str, role: str, *, at: str, sources: tuple[str, ...] = ()) -> tuple[str, Token]:
        """Create a token; return the secret, which cannot be read again, and the stored record.

        Raises
        ------
        AccessError
            The name is taken or invalid, or the role is unknown.
        """
        if _NAME.fullmatch(name) is None:
            raise AccessError(
                f"{name!r:.80} is not a valid token name; use up to 40 of a-z, 0-9, '.', '_', '-'"
            )
        if role not in ROLES:
            raise AccessError(f"unknown role {role!r:.80}; choose one of {', '.join(ROLES)}")
        with self._changing() as tokens:
            if any(each.name == name for each in tokens):
                raise AccessError(f"a token {name!r} already exists; revoke it, or choose another name")
            identity = secrets.token_hex(4)
            secret = f"poet_{identity}_{secrets.token_urlsafe(SECRET_BYTES)}"
            token = Token(
                id=identity, name=name, role=role, sha256=_digest(secret), created=at, sources=sources
            )
            self._write((*tokens, token))
        return secret, token

    def revoke(self, name: str) -> Token:
        """Revoke a token; requests with it are refused from now on.

        Raises
        ------
        AccessError
            There is no token with this name.
        """
        with self._changing() as tokens:
            gone = [each for each in tokens if each.name == name]
            if not gone:
                known = ", ".join(each.name for each in tokens) or "none"
                raise AccessError(f"there is no token {name!r:.80}; existing tokens: {known}")
            self._write(tuple(each for each in tokens if each.name != name))
        return gone[0]

    @contextmanager
    def _changing(self) -> Iterator[tuple[Token, ...]]:
        with lock(self.path.parent, timeout_s=PATIENCE_S, file_name=LOCK, error=AccessError):
            self._seen = None
            yield self.all()

    def _write(self, tokens: tuple[Token, ...]) -> None:
        atomic_write(self.path, to_json(_Document(tokens=tokens), is_sorted=False), mode=0o600)
        self._seen = None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
