"""A sheet as Markdown: one comment on a pull request that shows on one screen.

What feedback says is data. It stands in code spans, in which neither Markdown nor a forge finds links,
mentions, references or HTML; plain sentences stay plain only where nothing in them could be any of these.
"""

import re
from collections.abc import Iterable, Iterator

from poet.compare import Against, Side
from poet.decisions import Evidence, Interval
from poet.review._rules import SHARES, SIGNS, clean
from poet.review._sheet import Entry, Section, Sheet

__all__ = ["markdown"]

# letters, numbers and the punctuation of a sentence; nothing that makes markup, a link or a reference
_PLAIN = re.compile(r"(?:[\w ,;:%()'…→≤≥=+/-]|\.(?=\s|$|\d))+")
_REFERS = re.compile(r"://|www|@|#|\bGH-\d|\b[0-9a-f]{7,40}\b|__|\b_|_\b|^[\s=+-]|^\d+\)", re.IGNORECASE)
_LONGEST = 240  # characters of one thing said


def markdown(sheet: Sheet) -> str:
    """Render a sheet; see the module for what is escaped."""
    return "\n".join(_lines(sheet)).rstrip("\n") + "\n"


def _lines(sheet: Sheet) -> Iterator[str]:
    yield f"### POET: {_said(sheet.verdict)}"
    for section in sheet.sections:
        yield from _section(section)
    for section in sheet.refused:
        yield ""
        yield f"**{section.policy}** stays at version {section.older}: {_said(section.remarks[0])}"
        yield from _past(section)
    if sheet.rest or sheet.costs:
        yield ""
        said = [*sheet.rest, *(f"costs: {'; '.join(sheet.costs)}" for _ in sheet.costs[:1])]
        yield f"<sub>{' · '.join(map(_said, said))}</sub>"
    yield from _folded_rules(sheet.held)
    for section in sheet.sections:
        yield from _folded_source(section)


def _section(section: Section) -> Iterator[str]:
    yield ""
    before = "new" if section.older is None else f"v{section.older} →"
    yield f"**{section.policy}** {before} v{section.newer}{_verdict(section.against)}"
    if section.entries:
        yield ""
        yield from _table(section.entries)
    yield from _past(section)


def _verdict(against: Against | None) -> str:
    if against is None or against.comparison is None:
        return ""
    found = against.comparison
    how = "on every input" if found.is_exact else f"on a sample of {found.asked} inputs"
    return f": **{found.verdict}** {how}, {_said(found.means)}"


def _table(entries: Iterable[Entry]) -> Iterator[str]:
    yield "| | Rule | Was → is, and why | Evidence |"
    yield "| --- | --- | --- | --- |"
    for entry in entries:
        now = f"{_code(entry.was)} → {_code(entry.words)}" if entry.was else _code(entry.words)
        why = f"<br>{_said(entry.rule.reason)}" if entry.rule.reason else ""
        sign = f"`{SIGNS[entry.rule.status].strip() or '·'}`"
        yield f"| {sign} | {_code(entry.rule.id)} | {now}{why} | {_evidence(entry)} |"


def _evidence(entry: Entry) -> str:
    evidence = entry.rule.evidence
    if evidence is None:
        return "a person's word" if entry.rule.status in ("pinned", "vetoed") else ""
    said = [_pair(*pair) for pair in entry.pairs]
    return "<br>".join([*said, _against_bar(evidence)])


def _against_bar(evidence: Evidence) -> str:
    sign = "≥" if evidence.e_value >= evidence.bar else "of"
    needed = f", about {evidence.events_needed} more events" if evidence.events_needed else ""
    return f"e-value **{evidence.e_value:.3g}** {sign} {evidence.bar:.3g}{needed}"


def _pair(what: str, before: Interval | None, after: Interval | None) -> str:
    there = [each for each in (before, after) if each is not None]
    shown = " → ".join(map(_interval, there))
    counts = " → ".join(dict.fromkeys(f"{each.n:g}" for each in there))
    return f"{_said(what)}: {shown}, n = {counts}"


def _interval(interval: Interval) -> str:
    if interval.what in SHARES:
        return f"{100 * interval.estimate:.0f} % ({100 * interval.low:.0f} … {100 * interval.high:.0f})"
    return f"{interval.estimate:.3g} ({interval.low:.3g} … {interval.high:.3g})"


def _past(section: Section) -> Iterator[str]:
    """Say what would have happened on past executions, and show a call or two that turn."""
    said = [*_flips(section.against), *_savings(section.entries)]
    comparison = section.against.comparison if section.against else None
    turns = comparison.witnesses[:2] if comparison else ()
    if said:
        yield ""
        yield f"On past executions: {'; '.join(said)}."
    elif turns:
        yield ""
        yield "Past executions of this policy are not recorded; calls that turn:"
    if turns:
        yield ""
        yield from (
            f"- {each.direction}: {_code(each.question)}: {_code(each.older)} → {_code(each.newer)}"
            for each in turns
        )


def _flips(against: Against | None) -> Iterator[str]:
    flips = against.flips if against else None
    if flips is None:
        return
    for words, side in (("now silent", flips.quieter), ("now alert", flips.louder)):
        if side.flips:
            yield f"{side.flips} of {flips.recorded} {words} ({_labelled(side)})"
    if flips.precision_before.n and flips.precision_after.n:
        before, after = flips.precision_before.estimate, flips.precision_after.estimate
        yield f"precision {before:.2f} → {after:.2f}"
        yield f"cost per labelled execution {flips.cost_before:.3g} → {flips.cost_after:.3g}"


def _labelled(side: Side) -> str:
    return f"{side.false_alarms} labelled false alarms, {side.real} real, {side.unlabelled} unlabelled"


def _savings(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        replay = entry.rule.evidence.replay if entry.rule.evidence else None
        if replay is not None and entry.rule.status != "retired":
            yield (
                f"{_code(entry.rule.id)} saves {replay.saving_per_1000:g} per 1000 "
                f"({replay.saving_low:g} … {replay.saving_high:g}), {replay.replayed} of {replay.of} replayed"
            )


def _folded_rules(held: Iterable[Section]) -> Iterator[str]:
    sections = list(held)
    if not sections:
        return
    count = sum(len(section.entries) for section in sections)
    yield ""
    yield f"<details><summary>{count} candidates wait for evidence, or for a person's word</summary>"
    for section in sections:
        yield ""
        yield f"**{section.policy}**"
        yield ""
        yield from _table(section.entries)
    yield ""
    yield "</details>"


def _folded_source(section: Section) -> Iterator[str]:
    if not section.source and not section.remarks:
        return
    yield ""
    yield f"<details><summary>Source and notes of {section.policy}</summary>"
    yield ""
    yield from (f"- {_said(remark)}" for remark in section.remarks)
    if section.source:
        fence = "`" * max(3, 1 + _longest_run("\n".join(section.source)))
        yield from ("", f"{fence}diff", *(clean(line) for line in section.source), fence)
    yield ""
    yield "</details>"


def _said(text: str) -> str:
    """Give a sentence as it is where it can be nothing else, in a code span otherwise."""
    kept = clean(text)
    if _PLAIN.fullmatch(kept) and not _REFERS.search(kept):
        return kept
    return _code(text)


def _code(text: str) -> str:
    """Give text in a code span that it cannot end, in a table as well; empty for nothing."""
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
