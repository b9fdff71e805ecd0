"""`calculate_adaptive_window`: a window per velocity band, larger for stability, within bounds."""

import math
from typing import Final, TypeVar

import msgspec

from poet.spec.decisions import Decisions, Rule
from poet.spec.outline import Constant, constant_name, finite, only_kinds, read, single, unique, why
from poet.spec.policy_spec import PolicySpec
from poet_runtime.errors import RenderError

_Number = TypeVar("_Number", int, float)


class Velocity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Condition: the velocity is above this number of points per hour; None covers all other velocities."""

    velocity_above: float | None = None


class Band(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The window of a band, in points."""

    window: int


class Stability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The multiplier of the window for these features; a strict requirement uses the largest multiplier."""

    features: tuple[str, ...]
    multiplier: float


class Anywhere(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The empty condition of a rule that always holds."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The smallest and the largest window, in points."""

    minimum: int
    cap: int


def baseline(_start: str) -> tuple[Rule, ...]:
    """Return the rules of version 1, which are the same for every preset."""
    return (
        Rule(id="bounds", kind="bounds", parameters={"minimum": 100, "cap": 50_000}, reason="untuned limits"),
        Rule(id="window", kind="band", parameters={"window": 5_000}, reason="one window for every velocity"),
    )


def outline(decisions: Decisions) -> dict[str, object]:
    """Return the template's variables: the usual window, faster bands, multipliers, bounds.

    Raises
    ------
    RenderError
        If a rule is malformed, the window for all other velocities is missing, or two bands have the same
        edge.
    """
    only_kinds(decisions, ("band", "stability", "bounds"))
    constants: list[Constant] = []
    *bands, usual = _bands(decisions, constants)
    return {
        "bands": tuple(bands),
        "window": usual["window"],
        "stability": _stability(decisions, constants),
        "bounds": _bounds(decisions, constants),
        "constants": unique(constants),
    }


def _bands(decisions: Decisions, constants: list[Constant]) -> tuple[dict[str, object], ...]:
    """Return the bands from fast to slow, of which the first one that holds sets the window."""
    bands = [(rule, read(rule, rule.condition, Velocity)) for rule in decisions.active if rule.kind == "band"]
    borders = [velocity.velocity_above for _, velocity in bands]
    if borders.count(None) != 1 or len(set(borders)) != len(borders):
        raise RenderError(
            f"calculate_adaptive_window: the bands begin above {borders}; expected different velocities and "
            "exactly one band without velocity_above, for all other velocities",
        )
    bands.sort(
        key=lambda band: -math.inf if band[1].velocity_above is None else band[1].velocity_above,
        reverse=True,
    )
    return tuple(_band(rule, velocity.velocity_above, constants) for rule, velocity in bands)


def _band(rule: Rule, above: float | None, constants: list[Constant]) -> dict[str, object]:
    window = _positive(rule, "window", read(rule, rule.parameters, Band).window)
    if above is None:
        named = constant_name(rule) if rule.id == "window" else constant_name(rule, "window")
        constants.append(Constant(rule.id, named, window, why(rule), "points"))
        return {"above": None, "window": named}
    border, size = constant_name(rule, "above"), constant_name(rule, "window")
    velocity = _positive(rule, "velocity_above", finite(rule, "velocity_above", above))
    constants.append(Constant(rule.id, border, velocity, why(rule), "points per hour"))
    constants.append(Constant(rule.id, size, window, why(rule), "points"))
    return {"above": border, "window": size}


def _stability(decisions: Decisions, constants: list[Constant]) -> tuple[dict[str, object], ...]:
    """Return the multipliers from large to small; the first one that holds applies to the feature.

    A multiplier of 1 changes nothing and is left out.
    """
    found = [
        (rule, read(rule, rule.parameters, Stability))
        for rule in decisions.active
        if rule.kind == "stability"
    ]
    found.sort(key=lambda pair: (-pair[1].multiplier, pair[0].id))
    printed: list[dict[str, object]] = []
    for rule, stability in found:
        read(rule, rule.condition, Anywhere)
        multiplier = finite(rule, "multiplier", stability.multiplier)
        if multiplier < 1.0 or not stability.features:
            raise RenderError(
                f"rule {rule.id!r}: {len(stability.features)} features with multiplier {multiplier!r}; "
                "expected at least one feature, and a multiplier of at least 1 so that no window shrinks",
            )
        if multiplier > 1.0:
            printed.append(_multiplied(rule, frozenset(stability.features), multiplier, constants))
    return tuple(printed)


def _multiplied(
    rule: Rule, features: frozenset[str], multiplier: float, constants: list[Constant]
) -> dict[str, object]:
    printed: dict[str, object] = {"feature": None, "is_whole": multiplier.is_integer()}
    if len(features) == 1:
        (printed["feature"],) = features
    else:
        printed["features"] = constant_name(rule, "features")
        constants.append(Constant(rule.id, constant_name(rule, "features"), features, why(rule)))
    printed["multiplier"] = constant_name(rule, "multiplier")
    number = int(multiplier) if multiplier.is_integer() else multiplier
    constants.append(Constant(rule.id, constant_name(rule, "multiplier"), number, why(rule)))
    return printed


def _bounds(decisions: Decisions, constants: list[Constant]) -> dict[str, object]:
    rule = single(decisions, "bounds")
    bounds = read(rule, rule.parameters, Bounds)
    if not 1 <= bounds.minimum <= bounds.cap:
        raise RenderError(
            f"rule {rule.id!r}: minimum {bounds.minimum}, cap {bounds.cap}; expected 1 <= minimum <= cap"
        )
    constants.append(Constant(rule.id, "MINIMUM", bounds.minimum, why(rule), "points"))
    constants.append(Constant(rule.id, "CAP", bounds.cap, why(rule), "points"))
    return {"minimum": "MINIMUM", "cap": "CAP"}


def _positive(rule: Rule, what: str, number: _Number) -> _Number:
    if number <= 0:
        raise RenderError(f"rule {rule.id!r}: {what} is {number!r}, expected more than 0")
    return number


SPEC: Final = PolicySpec(
    name="calculate_adaptive_window",
    template="calculate_adaptive_window.py.jinja",
    starts=("baseline",),
    baseline=baseline,
    outline=outline,
    learner="poet.policies.calculate_adaptive_window.learner.learn:learn",
    contract="poet.policies.calculate_adaptive_window.contract",
    behaviour="poet.policies.calculate_adaptive_window.behaviour",
    plots="poet.policies.calculate_adaptive_window.plots:plots",
    words=frozenset({"velocity_above", "window", "features", "multiplier", "minimum", "cap"}),
)
