"""Three roles, and what each of them may do."""

from typing import Literal, get_args

__all__ = ["ROLES", "Right", "Role", "rights_of"]

Role = Literal["emit", "review", "operate"]
Right = Literal["emit", "read", "judge", "operate"]
ROLES: tuple[Role, ...] = get_args(Role)
_RIGHTS: dict[Role, frozenset[Right]] = {
    "emit": frozenset({"emit"}),  # a machine: it tells, and sees nothing
    "review": frozenset({"read", "judge"}),  # a person: sees all, and speaks in their own name alone
    "operate": frozenset({"emit", "read", "judge", "operate"}),  # also says which version answers
}


def rights_of(role: Role) -> frozenset[Right]:
    """Give what a role may do."""
    return _RIGHTS[role]
