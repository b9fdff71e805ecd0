"""The policies: what each is called, where it starts and how its decisions become an outline."""

from poet.policies._outline import Constant
from poet.policies._registered import policies, policy
from poet.policies._spec import PolicySpec

__all__ = ["Constant", "PolicySpec", "policies", "policy"]
