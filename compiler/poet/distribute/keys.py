"""Ed25519 keys: private keys in files that only the owner can read, public keys as short lines."""

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from poet_runtime.errors import BundleError
from poet_runtime.files import is_open_to_others, write_new

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


_PREFIX: Final = "poet-ed25519:"
_LARGEST: Final = 10_000  # bytes of a key file


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A trusted public key."""

    raw: bytes

    @property
    def id(self) -> bytes:
        """Return eight bytes that identify the key."""
        return hashlib.sha256(b"poet bundle key\0" + self.raw).digest()[:8]

    @property
    def line(self) -> str:
        """Return the text for `--trust`."""
        return _PREFIX + base64.urlsafe_b64encode(self.raw).decode().rstrip("=")

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether `signature` is a valid signature of `message` by this key."""
        ed25519, _ = _cryptography()
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- an optional extra

        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """A private key."""

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        self._key = key
        self.public = TrustedKey(key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return self._key.sign(message)


def make_key(path: Path) -> TrustedKey:
    """Write a new private key that only its owner can read, and return the public key.

    Raises
    ------
    BundleError
        The file already exists or cannot be written.
    """
    ed25519, serialization = _cryptography()
    key = ed25519.Ed25519PrivateKey.generate()
    content: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        write_new(path, content, mode=0o600)
    except FileExistsError as error:
        raise BundleError(
            f"{path} already exists and a key is never overwritten; name another file"
        ) from error
    except OSError as error:
        raise BundleError(f"{path} cannot be written ({error.strerror}); name another file") from error
    return PrivateKey(key).public


def read_key(path: Path) -> PrivateKey:
    """Read a private key.

    Raises
    ------
    BundleError
        The file does not exist, others can read it, or it is not an Ed25519 key.
    """
    ed25519, serialization = _cryptography()
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(_LARGEST) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read ({error.strerror}); create a key with `poet keygen {path}`"
        ) from error
    if is_open_to_others(mode):
        raise BundleError(f"{path} is accessible to users other than its owner; run `chmod 600 {path}`")
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise BundleError(
            f"{path} is not a private key without a password; create one with `poet keygen`"
        ) from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise BundleError(f"{path} is not an Ed25519 key; create one with `poet keygen`")
    return PrivateKey(key)


def trusted(lines: Iterable[str | TrustedKey]) -> tuple[TrustedKey, ...]:
    """Return the parsed keys to trust; there are several while one replaces another.

    Raises
    ------
    BundleError
        There is no key, or a line is not one that `poet keygen` prints.
    """
    keys = tuple(line if isinstance(line, TrustedKey) else _key_of(line) for line in lines)
    if not keys:
        raise BundleError(
            "no key is trusted, so no bundle can be verified; pass the line that `poet keygen` printed"
        )
    return keys


def _key_of(line: str) -> TrustedKey:
    text = line.strip()
    try:
        raw = base64.b64decode(text.removeprefix(_PREFIX) + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    key = TrustedKey(raw)
    if len(raw) != 32 or key.line != text:
        raise BundleError(f"{line!r:.80} is not a public key; pass the line that `poet keygen` printed")
    return key


def _cryptography() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- an optional extra
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    except ImportError as error:
        raise BundleError(
            "signatures need the package cryptography; install it with "
            "`pip install 'poet-policy-compiler[bundle]'`"
        ) from error
    return ed25519, serialization
