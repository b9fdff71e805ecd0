"""Policy specifications: names, presets, and the conversion of decisions to template outlines."""

from poet.spec.outline import Constant, constant_name, finite, only_kinds, read, single, unique, why
from poet.spec.policy_spec import PolicySpec
from poet.spec.registration import broken_policies, domains, policies, policy

__all__ = [
    "Constant",
    "PolicySpec",
    "broken_policies",
    "constant_name",
    "domains",
    "finite",
    "only_kinds",
    "policies",
    "policy",
    "read",
    "single",
    "unique",
    "why",
]
