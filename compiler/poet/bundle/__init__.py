"""Signed bundles: versions for machines that do not share the workspace."""

from poet.bundle._document import BundleDocument
from poet.bundle._envelope import open_bundle, sign
from poet.bundle._keys import PrivateKey, TrustedKey, make_key, read_key, trusted
from poet.bundle._pack import pack
from poet.bundle._pull import Pulled, pull
from poet.bundle._runtime import BundleRuntime
from poet.bundle._state import State, state

__all__ = [
    "BundleDocument",
    "BundleRuntime",
    "PrivateKey",
    "Pulled",
    "State",
    "TrustedKey",
    "make_key",
    "open_bundle",
    "pack",
    "pull",
    "read_key",
    "sign",
    "state",
    "trusted",
]
