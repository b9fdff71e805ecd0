"""Resolve a policy to its active version, and swap it under running calls."""

from poet.registry._document import PolicyEntry, RegistryDocument, VersionEntry, read_document
from poet.registry._load import LoadedVersion
from poet.registry._registry import Policy, Registry

__all__ = [
    "LoadedVersion",
    "Policy",
    "PolicyEntry",
    "Registry",
    "RegistryDocument",
    "VersionEntry",
    "read_document",
]
