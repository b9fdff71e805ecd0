"""What a version does otherwise than the one it would replace: the verdict, witnesses, flips."""

from collections.abc import Iterator

from poet.compare import Against, Comparison, Flips, Share, Side
from poet.review._rules import clean

__all__ = ["against_lines"]


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


def _share(share: Share) -> str:
    return f"{share.estimate:.2f} [{share.low:.2f}, {share.high:.2f}]" if share.n else "unknown"
