"""Resolve a policy to its active version, and swap it under running calls."""

from poet.registry._document import (
    PolicyEntry,
    RegistryDocument,
    VersionEntry,
    decode_document,
    read_document,
)
from poet.registry._load import LoadedVersion
from poet.registry._policy import Policy
from poet.registry._registry import Registry

__all__ = [
    "LoadedVersion",
    "Policy",
    "PolicyEntry",
    "Registry",
    "RegistryDocument",
    "VersionEntry",
    "decode_document",
    "read_document",
]
