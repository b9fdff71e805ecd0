"""What a version does otherwise than the one it would replace: the verdict, witnesses, flips."""

import importlib
from collections.abc import Iterator
from pathlib import Path

from poet.compare import Against, Comparison, Flips, Side, compare
from poet.decisions import Interval
from poet.policies import policy as spec_of
from poet.publish import published_source, read_manifest
from poet.review._rules import clean

__all__ = ["against_lines", "compared"]


def compared(generated: Path, policy: str, old: int, new: int) -> Against | None:
    """Give what the newer manifest says of the older version, or compare the two now."""
    known = read_manifest(generated, policy, new).against
    if known is not None and known.version == old:
        return known
    behaviour = spec_of(policy).behaviour
    if behaviour is None:
        return None
    older, newer = (published_source(generated, policy, number) for number in (old, new))
    found = compare(older, newer, importlib.import_module(behaviour).BEHAVIOUR)
    return Against(version=old, comparison=found)


def against_lines(against: Against | None) -> Iterator[str]:
    """Give the comparison and the replay as lines of text."""
    if against is None:
        return
    if against.comparison:
        yield from _comparison(against.comparison)
    if against.flips and (against.flips.quieter.flips or against.flips.louder.flips):
        yield from _flips(against.flips)


def _comparison(comparison: Comparison) -> Iterator[str]:
    how = "on every input" if comparison.is_exact else f"on a sample of {comparison.asked} inputs"
    yield f"  {comparison.verdict}, {how}: {comparison.means}"
    for witness in comparison.witnesses:
        yield f"    {witness.direction}: {clean(witness.question)}"
        yield f"      {clean(witness.older)} → {clean(witness.newer)}"


def _flips(flips: Flips) -> Iterator[str]:
    yield f"  replayed on {flips.recorded} recorded executions:"
    for words, side in (("now silent", flips.quieter), ("now alerts", flips.louder)):
        if side.flips:
            yield f"    {side.flips} {words}: {_said(side)}"
    if flips.by_feature:
        named = ", ".join(f"{clean(name) or 'no name'} {n}" for name, n in flips.by_feature.items())
        yield f"    by feature: {named}"
    before, after = _share(flips.precision_before), _share(flips.precision_after)
    yield f"    precision {before} → {after}"
    yield f"    cost per labelled execution {flips.cost_before:.3g} → {flips.cost_after:.3g}"


def _said(side: Side) -> str:
    return f"{side.false_alarms} were labelled false alarms, {side.real} real, {side.unlabelled} unlabelled"


def _share(share: Interval) -> str:
    return f"{share.estimate:.2f} [{share.low:.2f}, {share.high:.2f}]" if share.n else "unknown"
