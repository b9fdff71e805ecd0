"""Markdown rendering of a plan or a diff, for a pull request comment that fits on one screen.

Text from feedback is data. It is placed in code spans, where neither Markdown nor a forge recognizes links,
mentions, references or HTML. A sentence is printed as plain text only if it cannot contain any of these.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from poet.build.compare import Against
from poet.review.document import Change, Entry, Pair, PlannedPolicy, Review
from poet.review.words import (
    SIGNS,
    against_threshold,
    clean,
    coverage_words,
    interval_words,
    labels_of,
    needed_words,
    saving_words,
    turned,
)

# letters, numbers and sentence punctuation; no character that can start markup, a link or a reference
_PLAIN: Final = re.compile(r"(?:[\w ,;:%()'…→≤≥=+/-]|\.(?=\s|$|\d))+")
_REFERS: Final = re.compile(
    r"://|www|@|#|\bGH-\d|\b[0-9a-f]{7,40}\b|__|\b_|_\b|^[\s=+-]|^\d+\)", re.IGNORECASE
)
_LONGEST: Final = 240  # characters of one code span


def markdown(review: Review) -> str:
    """Render a plan or a diff; the module docstring defines what is escaped."""
    return "\n".join(_lines(review)).rstrip("\n") + "\n"


def _lines(review: Review) -> Iterator[str]:
    yield f"### POET: {_plain(review.verdict)}"
    for section in review.sections:
        yield from _section(section)
    for section in review.refused:
        yield ""
        yield f"**{section.policy}** stays at version {section.older}: {_plain(section.refused)}"
        yield from _past(section)
    rest = [*review.rest, *(f"costs: {costs}" for costs in (review.costs_in_words,) if costs)]
    if rest:
        yield ""
        yield f"<sub>{' · '.join(map(_plain, rest))}</sub>"
    yield from _folded_candidates(review.waiting)
    for section in review.sections:
        yield from _folded_source(section)


def _section(section: Change) -> Iterator[str]:
    yield ""
    before = "new" if section.older is None else f"v{section.older} →"
    yield f"**{section.policy}** {before} v{section.newer}{_verdict(section.against)}"
    if section.changes:
        yield ""
        yield from _table(section.changes)
    yield from _past(section)


def _verdict(against: Against | None) -> str:
    if against is None or against.comparison is None:
        return ""
    found = against.comparison
    return f": **{found.verdict}** {coverage_words(found)}, {_plain(found.means)}"


def _table(entries: Iterable[Entry]) -> Iterator[str]:
    yield "| | Rule | Was → is, and why | Evidence |"
    yield "| --- | --- | --- | --- |"
    for entry in entries:
        now = f"{_code(entry.was)} → {_code(entry.words)}" if entry.was else _code(entry.words)
        why = f"<br>{_plain(entry.rule.reason)}" if entry.rule.reason else ""
        sign = f"`{SIGNS[entry.rule.status].strip() or '·'}`"
        yield f"| {sign} | {_code(entry.rule.id)} | {now}{why} | {_evidence(entry)} |"


def _evidence(entry: Entry) -> str:
    evidence = entry.rule.evidence
    if evidence is None:
        return "manual override" if entry.rule.status in ("pinned", "vetoed") else ""
    strength = ", ".join(filter(None, [against_threshold(evidence, strong="**"), needed_words(evidence)]))
    return "<br>".join([*map(_pair, entry.pairs), strength])


def _pair(pair: Pair) -> str:
    shown = " → ".join(map(interval_words, pair.sides))
    return f"{_plain(pair.what)}: {shown}, n = {pair.counts}"


def _past(section: Change) -> Iterator[str]:
    """Yield the replay on past executions, and one or two calls whose answer changes."""
    told = [*_replayed(section.against), *_savings(section.changes)]
    comparison = section.against.comparison if section.against else None
    witnesses = comparison.witnesses[:2] if comparison else ()
    if told:
        yield ""
        yield f"On past executions: {'; '.join(told)}."
    elif witnesses:
        yield ""
        yield "Past executions of this policy are not recorded; calls whose answer changes:"
    if witnesses:
        yield ""
        yield from (
            f"- {each.direction}: {_code(each.probe)}: {_code(each.older)} → {_code(each.newer)}"
            for each in witnesses
        )


def _replayed(against: Against | None) -> Iterator[str]:
    flips = against.flips if against else None
    if flips is None:
        return
    for words, side in turned(flips):
        if side.flips:
            yield f"{side.flips} of {flips.recorded} {words} ({labels_of(side)})"
    if flips.precision_before.n and flips.precision_after.n:
        before, after = flips.precision_before.estimate, flips.precision_after.estimate
        yield f"precision {before:.2f} → {after:.2f}"
        yield f"cost per labeled execution {flips.cost_before:.3g} → {flips.cost_after:.3g}"


def _savings(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        replay = entry.rule.evidence.replay if entry.rule.evidence else None
        if replay is not None and entry.rule.status != "retired":
            yield f"{_code(entry.rule.id)} {saving_words(replay)}, {replay.replayed} of {replay.of} replayed"


def _folded_candidates(sections: Iterable[PlannedPolicy]) -> Iterator[str]:
    found = list(sections)
    if not found:
        return
    count = sum(len(section.candidates) for section in found)
    yield ""
    yield f"<details><summary>{count} candidates or vetoed rules</summary>"
    for section in found:
        yield ""
        yield f"**{section.policy}**"
        yield ""
        yield from _table(section.candidates)
    yield ""
    yield "</details>"


def _folded_source(section: Change) -> Iterator[str]:
    if not section.source and not section.remarks:
        return
    yield ""
    yield f"<details><summary>Source and notes of {section.policy}</summary>"
    yield ""
    yield from (f"- {_plain(remark)}" for remark in section.remarks)
    if section.source:
        fence = "`" * max(3, 1 + _longest_run("\n".join(section.source)))
        yield from ("", f"{fence}diff", *(clean(line) for line in section.source), fence)
    yield ""
    yield "</details>"


def _plain(text: str) -> str:
    """Return a sentence unchanged where it cannot be markup, else in a code span."""
    kept = clean(text)
    if _PLAIN.fullmatch(kept) and not _REFERS.search(kept):
        return kept
    return _code(text)


def _code(text: str) -> str:
    """Return text in a code span that it cannot close, even in a table; empty for empty text."""
    kept = clean(text)
    if not kept.strip():
        return "` `" if text else ""
    if len(kept) > _LONGEST:
        kept = f"{kept[: _LONGEST - 1]}…"
    ticks = "`" * (1 + _longest_run(kept))
    space = " " if kept[0] in "` " or kept[-1] in "` " else ""
    return f"{ticks}{space}{kept}{space}{ticks}".replace("|", "\\|")


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
