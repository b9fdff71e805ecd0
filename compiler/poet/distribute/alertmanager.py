"""Export of the decisions of `generate_alerts` as a Prometheus Alertmanager configuration.

Alerts must have the labels ``feature`` and ``severity`` (low, medium, high, critical). The first matching
route handles an alert. The routes are in the order in which the policy decides: suppressions, groups, the
cool-down, the rest.

| learned | written |
| --- | --- |
| a suppression until a point in time, below a severity | a route muted in a time interval that ends then |
| a group of features with one cause | a route that groups them, whichever of them fire |
| a cool-down below a severity | `group_interval` and `repeat_interval` of a route for these severities |
| a batch | all alerts without another route are grouped; the cool-down is then only `repeat_interval` |

Decisions that Alertmanager cannot express are comments in the file. The configuration never mutes an alert
that the policy would send, except for the random share that the policy lets through for audit. Therefore a
suppression that also depends on the ratio of score to threshold is not written at all. A cool-down delays
alerts and mutes none.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version as release_of
from pathlib import Path
from typing import Final

from poet.build.manifest import module_name, read_manifest
from poet.policies.generate_alerts.policy import Calm, Floor, Group, Many, Members, Pattern, Share
from poet.spec import read
from poet.spec.decisions import Decisions, Rule
from poet_runtime.errors import ExportError
from poet_runtime.registry import as_published, read_document

POLICY: Final = "generate_alerts"
RECEIVER: Final = "drift"
SEVERITIES: Final = ("low", "medium", "high", "critical")
FIRST_YEAR: Final = 1970
LONGEST_S: Final = 100 * 365 * 86_400
_PLAIN: Final = re.compile(r"[A-Za-z0-9_:/-]")


def alertmanager(generated: Path, policy: str = POLICY, *, number: int | None = None) -> str:
    """Return the decisions of a published version as a complete Alertmanager configuration, in YAML.

    Raises
    ------
    ExportError
        The policy is not `generate_alerts`, the version does not exist, or its files are not the published
        ones.
    """
    if policy != POLICY:
        raise ExportError(f"{policy} cannot be exported to Alertmanager; export {POLICY}")
    number, decisions = _published(generated, number)
    lines = [
        f"# {POLICY} version {number}, exported by poet {release_of('poet-policy-compiler')}.",
        "# Alerts need the labels feature and severity (low, medium, high, critical). Define how the",
        "# receiver notifies people, or copy the routes into your existing configuration.",
        *_configuration(decisions),
    ]
    return "\n".join(lines) + "\n"


def _published(generated: Path, number: int | None) -> tuple[int, Decisions]:
    """Return the number and the decisions of a published version, the active one by default."""
    policies = read_document(generated).policies
    if POLICY not in policies:
        known = ", ".join(sorted(policies)) or "none"
        raise ExportError(f"no policy {POLICY!r} is published; published are {known}")
    entry = policies[POLICY]
    wanted = entry.active if number is None else number
    if str(wanted) not in entry.versions:
        known = ", ".join(sorted(entry.versions, key=int))
        raise ExportError(f"{POLICY} has no version {wanted}; published are {known}")
    path = generated / f"{module_name(POLICY, wanted)}.json"
    sha256 = entry.versions[str(wanted)].manifest_sha256
    if not path.is_file() or as_published(path.read_bytes(), sha256) is None:
        raise ExportError(f"{path} is not the manifest that was published; restore it from version control")
    return wanted, read_manifest(generated, POLICY, wanted).decisions


def _configuration(decisions: Decisions) -> Iterator[str]:
    calm = next(iter(_of(decisions, "cool_down")), None)
    intervals: list[str] = []
    routes: list[str] = []
    for index, rule in enumerate(_of(decisions, "suppress"), start=1):
        routes += _suppression(rule, f"poet-suppressed-{index}", intervals)
    for rule in _of(decisions, "group"):
        routes += _group(rule, calm)
    routes += _cool_down(calm, is_grouped=bool(_of(decisions, "batch"))) if calm else []
    yield "route:"
    yield f"  receiver: {_text(RECEIVER)}"
    yield from _root(decisions)
    if any(line.startswith("-") for line in routes):  # otherwise there are only comments on omitted rules
        yield "  routes:"
    yield from (f"    {line}" for line in routes)
    if intervals:
        yield "time_intervals:"
        yield from (f"  {line}" for line in intervals)
    yield "receivers:"
    yield f"  - name: {_text(RECEIVER)}"


def _root(decisions: Decisions) -> Iterator[str]:
    batches = _of(decisions, "batch")
    if not batches:
        yield '  group_by: ["feature"]'
        return
    many = read(batches[0], batches[0].condition, Many)
    yield from _rule_comment(batches[0], "  ")
    yield f"  # not expressed: a batch has at least {many.at_least} alerts; Alertmanager groups any number"
    yield '  group_by: ["alertname"]'


def _suppression(rule: Rule, name: str, intervals: list[str]) -> Iterator[str]:
    pattern, share = read(rule, rule.condition, Pattern), read(rule, rule.parameters, Share)
    yield from _rule_comment(rule, "")
    features, notes = _features(pattern.features)
    yield from notes
    if pattern.ratio_at_most is not None:
        limit = f"{pattern.ratio_at_most:g} times the threshold"
        yield f"# not written: it applies up to {limit}, and no label contains this ratio"
        return
    ends = list(_until(pattern.until)) if math.isfinite(pattern.until) else []
    if not ends or not features:
        yield "# not written: Alertmanager cannot express it"
        return
    yield f"# not expressed: a random share of {share.holdout:g} is sent anyway, to be labeled"
    yield "- matchers:"
    yield f"    - {_text(features)}"
    yield f"    - {_text(_severities(pattern.severity_below))}"
    yield '  group_by: ["feature"]'
    yield f"  mute_time_intervals: [{_text(name)}]"
    intervals += [f"- name: {_text(name)}", "  time_intervals:", *(f"    - {each}" for each in ends)]


def _group(rule: Rule, calm: Rule | None) -> Iterator[str]:
    group, members = read(rule, rule.condition, Group), read(rule, rule.parameters, Members)
    yield from _rule_comment(rule, "")
    features, notes = _features(group.features)
    yield from notes
    if not features:
        yield "# not written: Alertmanager cannot express it"
        return
    yield f"# not expressed: a group has at least {members.at_least} alerts; Alertmanager groups any number"
    yield "- matchers:"
    yield f"    - {_text(features)}"
    yield '  group_by: ["alertname"]'
    if calm is not None:
        yield "  # a new member is sent immediately, a known one again after the cool-down"
        yield f"  repeat_interval: {_text(_seconds(read(calm, calm.parameters, Calm).seconds))}"


def _cool_down(rule: Rule, *, is_grouped: bool) -> Iterator[str]:
    calm, floor = read(rule, rule.parameters, Calm), read(rule, rule.condition, Floor)
    yield from _rule_comment(rule, "")
    yield f"# not expressed: an alert {calm.factor:g} times beyond its threshold does not wait"
    yield "- matchers:"
    yield f"    - {_text(_severities(floor.severity_below))}"
    if is_grouped:
        yield '  group_by: ["alertname"]'
        yield "  # no group_interval, because one feature would wait for another"
    else:
        yield '  group_by: ["feature"]'
        yield f"  group_interval: {_text(_seconds(calm.seconds))}"
    yield f"  repeat_interval: {_text(_seconds(calm.seconds))}"


def _until(moment: float) -> Iterator[str]:
    """Yield time intervals that together cover the time before a moment, to the minute.

    All fields of one interval must match; the intervals are alternatives.
    """
    end = datetime.fromtimestamp(min(max(moment, 0.0), LONGEST_S), UTC)
    year, month, day = f"years: [{_text(end.year)}]", f"months: [{_text(end.month)}]", end.day
    if end.year > FIRST_YEAR:
        yield f"{{years: [{_text(f'{FIRST_YEAR}:{end.year - 1}')}]}}"
    if end.month > 1:
        yield f"{{{year}, months: [{_text(f'1:{end.month - 1}')}]}}"
    if day > 1:
        yield f"{{{year}, {month}, days_of_month: [{_text(f'1:{day - 1}')}]}}"
    if end.hour or end.minute:
        times = f'times: [{{start_time: "00:00", end_time: {_text(f"{end:%H:%M}")}}}]'
        yield f"{{{year}, {month}, days_of_month: [{_text(day)}], {times}}}"


def _of(decisions: Decisions, kind: str) -> list[Rule]:
    return sorted((rule for rule in decisions.active if rule.kind == kind), key=lambda rule: rule.id)


def _rule_comment(rule: Rule, indent: str) -> Iterator[str]:
    """Yield a comment with a rule and its reason, as JSON strings so that no text can end the comment."""
    yield f"{indent}# rule {_text(rule.id)}: {_text(rule.reason)}"


def _features(names: Iterable[str]) -> tuple[str, list[str]]:
    """Return a matcher for these features, and comments on those that it omits."""
    kept, notes = [], []
    for name in sorted(set(names)):
        if not name:
            notes.append('# omitted: the feature "", which would match every alert without that label')
        else:
            kept.append("".join(map(_literal, name)))
    return (f'feature=~"{"|".join(kept)}"'.replace("\\", "\\\\") if kept else ""), notes


def _literal(sign: str) -> str:
    """Return a character escaped for a Go regular expression, free of quotes and backslash ambiguity."""
    if _PLAIN.fullmatch(sign):
        return sign
    return "\\." if sign == "." else f"\\x{{{ord(sign):x}}}"


def _severities(below: str) -> str:
    return f'severity=~"{"|".join(SEVERITIES[: SEVERITIES.index(below)])}"'


def _seconds(seconds: float) -> str:
    return f"{math.ceil(min(seconds, LONGEST_S))}s"


def _text(value: object) -> str:
    """Return a quoted text, as ASCII JSON, which YAML reads identically."""
    return json.dumps(str(value), ensure_ascii=True).replace("\x7f", "\\u007f")
