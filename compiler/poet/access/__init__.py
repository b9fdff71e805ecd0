"""Who may do what over HTTP: tokens with a role, kept as digests."""

from poet.access._roles import ROLES, Right, Role, rights_of
from poet.access._tokens import FILE, Token, Tokens

__all__ = ["FILE", "ROLES", "Right", "Role", "Token", "Tokens", "rights_of"]
