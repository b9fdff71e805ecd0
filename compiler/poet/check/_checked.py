"""The proof that a rendered module is what its template promised."""

import hashlib
from dataclasses import dataclass

from poet.check._dialect import check_dialect
from poet.check.shape import difference
from poet.errors import CheckError
from poet.policies import policy as spec_of
from poet.render import RenderedModule

__all__ = ["CheckedModule", "check"]


@dataclass(frozen=True, slots=True)
class CheckedModule:
    """A rendered module with the shape of its template and in the dialect; `sha256` is of its UTF-8 bytes."""

    rendered: RenderedModule
    sha256: str


def check(rendered: RenderedModule) -> CheckedModule:
    """Prove that no text from feedback became code, and that the code keeps to the dialect.

    Raises
    ------
    CheckError
        The shapes differ, or the dialect refuses something.
    """
    policy = rendered.decisions.policy
    if found := difference(rendered.source, rendered.shape):
        raise CheckError(
            f"{policy}: a text in the decisions changed the code at {found.path}: {found.left} where the "
            f"template gives {found.right}; print that value with the literal filter",
        )
    check_dialect(rendered.source, policy, imports=spec_of(policy).imports)
    return CheckedModule(rendered, hashlib.sha256(rendered.source.encode()).hexdigest())
