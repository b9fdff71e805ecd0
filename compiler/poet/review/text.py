"""Text rendering of documents for a terminal."""

from collections.abc import Iterator

from poet.build.compare import Against, Comparison, Flips
from poet.review.document import (
    Canary,
    Change,
    DiffDocument,
    Entry,
    ExplainDocument,
    JudgedCanary,
    Pair,
    PlanDocument,
    PlannedPolicy,
    PolicyStatus,
    StatusDocument,
    UnjudgedCanary,
    evidence_pairs,
)
from poet.review.words import (
    SIGNS,
    against_threshold,
    clean,
    counted,
    coverage_words,
    in_words,
    interval_words,
    labels_of,
    needed_words,
    precision_words,
    saving_words,
    turned,
)
from poet.spec.decisions import Evidence, Rule


def plan_lines(plan: PlanDocument, *, with_source: bool = True) -> Iterator[str]:
    """Yield a plan line by line, the source diff last."""
    yield plan.verdict
    if plan.costs:
        yield f"costs: {plan.costs_in_words}"
    for each in plan.sections:
        yield from _changed(each)
    for each in plan.refused:
        yield ""
        yield f"{each.policy}: version {each.active_version} stays: {clean(each.refused)}"
        yield from _against_lines(each.against)
    for each in plan.waiting:
        yield from _waiting(each)
    yield ""
    yield from map(clean, plan.rest)
    for each in plan.sections if with_source else ():
        yield ""
        yield from map(clean, each.source)


def _changed(each: PlannedPolicy) -> Iterator[str]:
    yield ""
    yield f"{each.policy}: version {each.older or 'not there yet'} → {each.newer}"
    yield from (f"  edited by hand: {clean(edit)}" for edit in each.edits)
    yield from _entries(each)
    yield from _against_lines(each.against)
    yield from _notes(each)


def _waiting(each: PlannedPolicy) -> Iterator[str]:
    yield ""
    yield f"{each.policy}: candidates, nearest to adoption"
    for entry in each.candidates:
        yield from _entry_lines(entry)
    if not each.is_change:
        yield from _notes(each)


def _notes(each: Change) -> Iterator[str]:
    yield from (f"    ({clean(note)})" for note in each.notes)


def diff_lines(diff: DiffDocument) -> Iterator[str]:
    """Yield the difference between two versions line by line, the source diff last."""
    yield f"{diff.policy}: version {diff.old} → {diff.new}"
    yield from _against_lines(diff.against)
    yield from _entries(diff)
    yield f"  {counted(diff.unchanged, 'rule')} unchanged"
    yield ""
    yield from map(clean, diff.source)


def _entries(change: Change) -> Iterator[str]:
    for entry in change.changes:
        yield from _entry_lines(entry)


def _against_lines(against: Against | None) -> Iterator[str]:
    if against is None:
        return
    if against.comparison:
        yield from _comparison_lines(against.comparison)
    if against.flips and (against.flips.fewer_alerts.flips or against.flips.more_alerts.flips):
        yield from _replay_lines(against.flips)


def _comparison_lines(comparison: Comparison) -> Iterator[str]:
    yield f"  {comparison.verdict}, {coverage_words(comparison)}: {comparison.means}"
    for witness in comparison.witnesses:
        yield f"    {witness.direction}: {clean(witness.probe)}"
        yield f"      {clean(witness.older)} → {clean(witness.newer)}"


def _replay_lines(flips: Flips) -> Iterator[str]:
    yield f"  replayed on {flips.recorded} recorded executions:"
    for words, side in turned(flips):
        if side.flips:
            yield f"    {side.flips} {words}: {labels_of(side)}"
    if flips.by_feature:
        named = ", ".join(f"{clean(name) or 'no name'} {n}" for name, n in flips.by_feature.items())
        yield f"    by feature: {named}"
    before, after = precision_words(flips.precision_before), precision_words(flips.precision_after)
    yield f"    precision {before} → {after}"
    yield f"    cost per labeled execution {flips.cost_before:.3g} → {flips.cost_after:.3g}"


def rule_lines(rule: Rule) -> Iterator[str]:
    """Yield a rule with its evidence, the rule first."""
    yield from _entry_lines(Entry(rule=rule, words=in_words(rule), was=rule.was))


def _entry_lines(entry: Entry) -> Iterator[str]:
    rule = entry.rule
    yield f"{SIGNS[rule.status]} {rule.id}: {entry.words}"
    if entry.was:
        yield f"    previously: {clean(entry.was)}"
    if rule.reason:
        yield f"    {clean(rule.reason)}"
    if rule.evidence is not None:
        yield from _evidence_lines(rule.evidence)


def _evidence_lines(evidence: Evidence) -> Iterator[str]:
    yield f"    {against_threshold(evidence)}"
    yield from map(_pair_line, evidence_pairs(evidence))
    if evidence.replay is not None:
        replay = evidence.replay
        left_out = "; ".join(f"{count} {reason}" for reason, count in sorted(replay.left_out.items()))
        rest = f" ({left_out})" if left_out else ""
        yield f"    replayed {replay.replayed} of {replay.of} executions{rest}"
        yield f"    {saving_words(replay)}"
    if evidence.events_needed:
        yield f"    {needed_words(evidence)} like these would decide it"


def _pair_line(pair: Pair) -> str:
    shown = " → ".join(map(interval_words, pair.sides))
    return f"    {clean(pair.what)}: {shown}, n = {pair.counts}"


def explain_lines(document: ExplainDocument) -> Iterator[str]:
    """Yield the rules of a version line by line."""
    revises = f", revises version {document.revises}" if document.revises else f", start {document.start}"
    yield f"{document.policy} version {document.version}{revises}"
    for rule in document.rules:
        yield ""
        yield f"[{rule.status}, since version {rule.since_version}]"
        yield from rule_lines(rule)
        if rule.evidence is not None:
            votes = ", ".join(f"{clean(source)} {count}" for source, count in rule.evidence.sources.items())
            yield f"    sources: {votes or 'none'}"
            yield f"    sample events: {', '.join(map(clean, rule.evidence.sample_events)) or 'none'}"
    if document.notes:
        yield ""
        yield from (f"({clean(note)})" for note in document.notes)


def status_lines(document: StatusDocument) -> Iterator[str]:
    """Yield the state of a workspace line by line."""
    yield f"workspace {document.workspace}"
    yield f"feedback log: {document.log_position} events"
    for type_, count in document.events.items():
        yield f"  {count:8d}  {type_}"
    yield ""
    for name, policy in document.policies.items():
        yield from _policy_lines(name, policy)
    yield ""
    if document.changes:
        yield f"`poet compile` would publish new versions of: {', '.join(document.changes)}"
    if document.nearest:
        yield "candidates, nearest to adoption:"
        for entry in document.nearest:
            yield from (f"  {line}" for line in list(_entry_lines(entry))[:4])


def _policy_lines(name: str, policy: PolicyStatus) -> Iterator[str]:
    behind = clean(policy.unreadable or f"{policy.events_since} events since it was learned")
    previous = f", previous: {policy.previous}" if policy.previous else ""
    yield f"{name}: version {policy.active} of {len(policy.versions)} active{previous}; {behind}"
    if policy.refused:
        instead = f"version {policy.answering} answers instead" if policy.answering else "no version answers"
        yield f"  REFUSED, {instead}: {clean(policy.refused)}"
    for each in policy.changed_files:
        yield f"  {clean(each.file)} {each.says}; {each.next}"
    for role, reason in policy.refused_beside.items():
        yield f"  REFUSED as {role}: {clean(reason)}"
    if policy.canary:
        yield f"  {canary_line(policy.canary)}"
    if policy.shadow and "says" in policy.shadow:
        yield f"  shadow {policy.shadow['policy']} v{policy.shadow['version']}: {policy.shadow['says']}"
        for witness in policy.shadow["witnesses"]:
            yield clean(
                f"    {witness['difference'].replace('_', ' ')}: feature {witness['feature']!r}: "
                f"{witness['champion']} → {witness['shadow']}"
            )
    for word in policy.quarantine:
        yield clean(f"  QUARANTINED version {word.version} by {word.who} since {word.when}: {word.why}")
    for found in policy.slow:
        yield clean(
            f"  SLOW version {found.version}, set aside by {found.who} since {found.when}: {found.why}"
        )


def canary_line(canary: Canary) -> str:
    """Return the state of a canary in one line."""
    name = f"canary {canary.policy} v{canary.version}: {canary.outcome}"
    share = f"answers for {canary.share:.0%} of the features since {canary.since}"
    if isinstance(canary, UnjudgedCanary):
        return f"{name}; {share}; {canary.why}"
    if not isinstance(canary, JudgedCanary):
        return f"{name}; {share}"
    evidence = (
        f"evidence for promotion {canary.for_promotion:.3g}, for rollback {canary.for_rollback:.3g}, "
        f"threshold {canary.e_value_threshold:g}"
    )
    counts = (
        f"{canary.answered_by_canary} answers by the canary, {canary.answered_by_champion} by version "
        f"{canary.champion}, {canary.judged} labeled, {canary.differ} of them differ, "
        f"saving {canary.saved:.3g}"
    )
    return f"{name}; {share}; {counts}; {evidence}"
