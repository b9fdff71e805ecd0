r"""The signed file: 96 bytes of head, then the document, then nothing.

    16 bytes   b"poet bundle 1\r\n\0": what it is; the line end shows a transfer that changed it
     8 bytes   the id of the key that signed
    64 bytes   the Ed25519 signature
     8 bytes   how long the document is, big-endian
     …         the document (`poet.bundle._document`)

The signature is over the exact bytes of key id, length and document, behind a text of its own, so that a
signature made for anything else with the same key never counts here. It is verified before a single byte of
the document is looked at. The length must be that of the rest of the file, so a file that was cut or that
something was added to is told apart from a forged one.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from poet.bundle._document import BundleDocument, decode, encode, identity_of
from poet.bundle._keys import PrivateKey, TrustedKey
from poet.errors import BundleError

__all__ = ["LARGEST", "Opened", "open_bundle", "reopen", "sign"]

LARGEST = 64 * 2**20
_MAGIC = b"poet bundle 1\r\n\0"
_SIGNED_AS = b"poet policy bundle, signature 1\0"
_HEAD = struct.Struct(">16s8s64s8s")
_LENGTH = struct.Struct(">Q")


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle that was read: what it says, its identity, and the id of the key that signed it."""

    document: BundleDocument
    identity: str
    key_id: str


def sign(document: BundleDocument, key: PrivateKey) -> bytes:
    """Give the signed file; the same document and key give the same bytes.

    Raises
    ------
    BundleError
        The document is broken or larger than any runtime would take.
    """
    body = encode(document)
    if _HEAD.size + len(body) > LARGEST:
        raise BundleError(
            f"the bundle would have {_HEAD.size + len(body)} bytes, a runtime takes {LARGEST}; "
            "bundle some of the policies only"
        )
    length = _LENGTH.pack(len(body))
    signature = key.sign(_SIGNED_AS + key.public.id + length + body)
    return _HEAD.pack(_MAGIC, key.public.id, signature, length) + body


def open_bundle(content: bytes, trust: Sequence[TrustedKey]) -> Opened:
    """Verify a signed file, then read it.

    Raises
    ------
    BundleError
        It is no bundle, is not whole, was not signed by a trusted key, or says something that is wrong.
    """
    key_id, signature, length, body = _parted(content)
    signers = [key for key in trust if key.id == key_id]
    if not signers:
        known = ", ".join(sorted(key.id.hex() for key in trust)) or "none"
        raise BundleError(
            f"the bundle is signed by key {key_id.hex()}, trusted are {known}; "
            "`--trust` takes the line that `poet key` printed"
        )
    if not any(key.verifies(signature, _SIGNED_AS + key_id + length + body) for key in signers):
        raise BundleError(
            f"the bundle's signature is not that of key {key_id.hex()}: it was changed on its way, or forged"
        )
    return Opened(decode(body), identity_of(body), key_id.hex())


def reopen(content: bytes) -> Opened:
    """Read a signed file that was verified when it came, whatever keys are trusted today."""
    key_id, _, _, body = _parted(content)
    return Opened(decode(body), identity_of(body), key_id.hex())


def _parted(content: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    if len(content) > LARGEST:
        raise BundleError(f"the bundle has more than {LARGEST} bytes; refused unread")
    if not content.startswith(_MAGIC):
        raise BundleError("this is no bundle; `poet bundle` writes one")
    if len(content) < _HEAD.size:
        raise BundleError(f"the bundle ends after {len(content)} bytes, within its head; transfer it again")
    _, key_id, signature, length = _HEAD.unpack_from(content)
    (promised,) = _LENGTH.unpack(length)
    found = len(content) - _HEAD.size
    if promised != found:
        raise BundleError(
            f"the bundle's document has {found} bytes, its head says {promised}; transfer it again"
        )
    return key_id, signature, length, content[_HEAD.size :]
