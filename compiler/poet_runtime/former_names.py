"""Names of earlier releases, and the conversion of documents that contain them.

A feedback log is never rewritten, and manifests of earlier releases stay valid. Readers therefore convert the
names that these documents use to the names of this release. Every conversion is idempotent, leaves unknown
content unchanged, and returns new objects.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

EVENT_TYPES: Final[Mapping[str, str]] = {"learning.begun": "learning.epoch_started"}
_EXECUTION: Final = "execution.recorded"
_FIELDS: Final[Mapping[str, Mapping[str, str]]] = {  # by event type of this release
    "learning.epoch_started": {"page": "epoch"},
}
_MEASURES: Final = {
    "own_q90": "null_q90",
    "own_max": "null_max",
    "own_mean": "null_mean",
    "own_sd": "null_sd",
}
_SCALES: Final = {"own_q90": "null_q90", "own_max": "null_max", "own_sd": "null_zscore"}
_STATISTICS: Final = {"roughness": "mean_absolute_difference"}
_PREPARATIONS: Final = {"deseasonalised": "deseasonalized"}
_IN_TESTS: Final = _STATISTICS | _PREPARATIONS | _SCALES
_STATUSES: Final = {"held": "candidate"}
_PREFIX: Final = ("held-", "candidate-")  # of the ids of candidates
_SIDES: Final = {"quieter": "fewer_alerts", "louder": "more_alerts", "otherwise": "different"}
_WORD: Final = re.compile(r"\b(?:" + "|".join(_IN_TESTS) + r")\b")
_ANY: Final = tuple(name.encode() for name in _IN_TESTS | _MEASURES)
_CRITERIA: Final = frozenset({"above", "below"})  # the functions whose texts name a test
_KEYWORD: Final = "agree"  # of `decide`


def event_type(name: str) -> str:
    """Return the type of an event under its present name."""
    return EVENT_TYPES.get(name, name)


def is_former(type_: str, data: bytes) -> bool:
    """Return whether the JSON of a payload may contain a former name. False positives only cost time."""
    if type_ == _EXECUTION:
        return any(data.find(name) >= 0 for name in _ANY)
    return type_ in EVENT_TYPES or type_ in _FIELDS


def payload(type_: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payload of an event with present names; `type_` is the event's present type."""
    present = _renamed(data, _FIELDS.get(type_, {}))
    if type_ != _EXECUTION:
        return present
    scores, test = present.get("scores"), present.get("test")
    if isinstance(scores, dict):
        present["scores"] = {test_name(name): _score(each) for name, each in scores.items()}
    if isinstance(test, str):
        present["test"] = test_name(test)
    return present


def test_name(name: str) -> str:
    """Return the name of a test, such as ``wasserstein/deseasonalized/null_q90``, in present terms."""
    return "/".join(_IN_TESTS.get(part, part) for part in name.split("/"))


def _score(score: object) -> object:
    return _renamed(score, _MEASURES) if isinstance(score, dict) else score


def in_module(source: bytes) -> str:
    """Return the first former name with which a generated module calls the runtime; empty if none.

    Imports succeed with such a name, so only a call would fail.
    """
    if not any(source.find(name) >= 0 for name in (*_ANY, b"agree=")):
        return ""
    import ast  # noqa: PLC0415 -- modules of this release do not need it

    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""  # reported when the module is compiled
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id in _CRITERIA:
            texts = [each.value for each in call.args if isinstance(each, ast.Constant)]
            if found := next((text for text in texts if text in _IN_TESTS), ""):
                return str(found)
        if isinstance(call.func, ast.Attribute) and any(each.arg == _KEYWORD for each in call.keywords):
            return _KEYWORD
    return ""


def manifest(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a manifest with present names."""
    present = dict(document)
    if isinstance(decided := document.get("decisions"), dict):
        present["decisions"] = decisions(decided)
    if isinstance(against := document.get("against"), dict):
        present["against"] = _against(against)
    return present | {"format": 2}


def decisions(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of decisions with present names."""
    present = dict(document)
    if isinstance(rules := document.get("rules"), list):
        present["rules"] = [rule(each) if isinstance(each, dict) else each for each in rules]
        present["rules"].sort(key=lambda each: each.get("id", "") if isinstance(each, dict) else "")
    configuration = document.get("configuration")
    if isinstance(configuration, dict) and isinstance(costs := configuration.get("costs"), dict):
        present["configuration"] = configuration | {"costs": cost_names(costs)}
    return present


def rule(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a rule, or of an override of one, with present names."""
    present = dict(document)
    for field in ("id", "rule"):
        if isinstance(found := document.get(field), str) and found.startswith(_PREFIX[0]):
            present[field] = _PREFIX[1] + found.removeprefix(_PREFIX[0])
    if isinstance(status := document.get("status"), str):
        present["status"] = _STATUSES.get(status, status)
    if isinstance(evidence := document.get("evidence"), dict):
        present["evidence"] = _renamed(evidence, {"bar": "e_value_threshold"})
    if isinstance(parameters := document.get("parameters"), dict) and "criteria" in parameters:
        present["parameters"] = _criteria(parameters)
    return present


def overrides(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a file of pins and vetoes with present names."""
    present = _renamed(document, {"words": "overrides"})
    if isinstance(found := present.get("overrides"), list):
        present["overrides"] = [
            rule(_renamed(each, {"word": "action"})) if isinstance(each, dict) else each for each in found
        ]
    return present | {"format": 2}


def cost_names(costs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configured costs with present names."""
    return _renamed(costs, {"within": "max_adjustment_factor"})


def tally(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of a shadow with present names."""
    present = _renamed(document, _SIDES)
    if isinstance(witnesses := document.get("witnesses"), list):
        present["witnesses"] = [
            each | {"difference": _SIDES.get(str(each.get("difference")), each.get("difference"))}
            if isinstance(each, dict)
            else each
            for each in witnesses
        ]
    return present


def _criteria(parameters: Mapping[str, Any]) -> dict[str, Any]:
    present = _renamed(parameters, {"agree": "min_votes"})
    if isinstance(criteria := present["criteria"], list):
        present["criteria"] = [_criterion(each) if isinstance(each, dict) else each for each in criteria]
    return present


def _criterion(criterion: Mapping[str, Any]) -> dict[str, Any]:
    fields = (("statistic", _STATISTICS), ("preparation", _PREPARATIONS), ("scale", _SCALES))
    found = {
        field: names.get(criterion[field], criterion[field]) for field, names in fields if field in criterion
    }
    return dict(criterion) | found


def _against(against: Mapping[str, Any]) -> dict[str, Any]:
    present = dict(against)
    if isinstance(flips := against.get("flips"), dict):
        sides = {"unlabelled": "unlabeled"}
        present["flips"] = {
            name: _renamed(value, sides) if isinstance(value, dict) else value
            for name, value in _renamed(flips, _SIDES).items()
        }
    if isinstance(comparison := against.get("comparison"), dict):
        present["comparison"] = _comparison(comparison)
    return present


def _comparison(comparison: Mapping[str, Any]) -> dict[str, Any]:
    present = _renamed(comparison, {"asked": "probes"})
    if isinstance(witnesses := comparison.get("witnesses"), list):
        present["witnesses"] = [
            {
                name: _WORD.sub(lambda found: _IN_TESTS[found[0]], text) if isinstance(text, str) else text
                for name, text in _renamed(each, {"question": "probe"}).items()
            }
            if isinstance(each, dict)
            else each
            for each in witnesses
        ]
    return present


def _renamed(document: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the document with renamed fields; a field that exists under its present name wins."""
    return {names.get(name, name): value for name, value in document.items()} | {
        name: document[name] for name in names.values() if name in document
    }
