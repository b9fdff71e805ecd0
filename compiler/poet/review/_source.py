"""The source of two versions, line by line: what a reviewer reads last."""

import difflib
from collections.abc import Iterator
from pathlib import Path

from poet.pipeline import PolicyPlan
from poet.publish import module_name, published_source

__all__ = ["plan_diff", "source_diff"]


def source_diff(generated: Path, policy: str, old: int, new: int) -> Iterator[str]:
    """Give the unified diff of two published versions."""
    names = [f"{module_name(policy, number)}.py" for number in (old, new)]
    before, after = (published_source(generated, policy, number).splitlines() for number in (old, new))
    yield from difflib.unified_diff(before, after, fromfile=names[0], tofile=names[1], lineterm="")


def plan_diff(each: PolicyPlan) -> Iterator[str]:
    """Give the unified diff of a planned change; everything is new in a version 1."""
    older = "" if each.is_first else f"{module_name(each.policy, each.champion.version)}.py"
    newer = f"{module_name(each.policy, each.decisions.version)}.py"
    before, after = each.champion_source.splitlines(), each.source.splitlines()
    yield from difflib.unified_diff(before, after, fromfile=older, tofile=newer, lineterm="")
