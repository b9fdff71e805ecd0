"""The policies: what each is called, where it starts and how its decisions become an outline."""

from poet.policies._outline import (
    Constant,
    constant_name,
    finite,
    in_rule_order,
    only_kinds,
    read,
    single,
    why,
)
from poet.policies._registered import broken_policies, domains, policies, policy
from poet.policies._spec import PolicySpec

__all__ = [
    "Constant",
    "PolicySpec",
    "broken_policies",
    "constant_name",
    "domains",
    "finite",
    "in_rule_order",
    "only_kinds",
    "policies",
    "policy",
    "read",
    "single",
    "why",
]
