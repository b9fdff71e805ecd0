"""Signed bundles: distribution of versions to machines that do not share the workspace."""

from poet.distribute.bundle import BundleDocument, open_bundle, pack, sign
from poet.distribute.fetch import Pulled, State, pull, state
from poet.distribute.follow import BundleRuntime
from poet.distribute.keys import PrivateKey, TrustedKey, make_key, read_key, trusted

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
