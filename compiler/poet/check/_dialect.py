"""The dialect of Python that a policy may be written in."""

from poet.check import _body_rules, _module_rules
from poet.check._tree import Refusal, parse
from poet.errors import CheckError

__all__ = ["check_dialect", "refusals"]


def refusals(source: str, policy: str, *, imports: tuple[str, ...] = ()) -> tuple[Refusal, ...]:
    """List everything in a module that the dialect refuses, in the order of the source.

    `imports` are packages that the policy may import beside those of every policy.

    Raises
    ------
    CheckError
        The source is not Python.
    """
    tree = parse(source, policy, imports=imports)
    found = {each for rule in (*_module_rules.RULES, *_body_rules.RULES) for each in rule(tree)}
    return tuple(sorted(found, key=lambda each: (each.line, each.what)))


def check_dialect(source: str, policy: str, *, imports: tuple[str, ...] = ()) -> None:
    """Refuse a module that steps outside the dialect.

    Raises
    ------
    CheckError
        Names each place, what is wrong there and the next step.
    """
    if found := refusals(source, policy, imports=imports):
        raise CheckError(
            f"{policy}: the module is not in the dialect of policies\n  " + "\n  ".join(map(str, found))
        )
