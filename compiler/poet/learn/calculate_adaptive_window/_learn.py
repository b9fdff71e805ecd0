"""Learn the windows: readings, hypotheses, costs, rules."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import msgspec

from poet.decisions import Decisions, Rule
from poet.learn.calculate_adaptive_window._bands import band_rules, band_windows
from poet.learn.calculate_adaptive_window._bounds import bounds_rules
from poet.learn.calculate_adaptive_window._case import POLICY, Case, gather
from poet.learn.calculate_adaptive_window._costs import BandCosts, band_costs
from poet.learn.calculate_adaptive_window._readings import EDGES
from poet.learn.calculate_adaptive_window._stable import stable_features, stable_rules
from poet.learn.configuration import LearnConfiguration

if TYPE_CHECKING:  # the tables are all that is used; the engine behind them stays out of the way
    from poet.summaries import Summaries

__all__ = ["learn"]


def learn(summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Decide windows, multipliers and bounds from delays, noise and performance.

    Pure: the same summaries, champion and configuration give the same decisions. Under noise (outcomes
    independent of window, velocity and feature) the chance of *ever* adopting a rule is at most
    ``configuration.risk``, however often this runs.
    """
    case = gather(summaries, champion, configuration)
    bounds = bounds_rules(case)
    costs = _costs(case, cast("int", bounds[0].parameters["cap"]))
    bands = band_windows(case, costs)
    windows = {band.index: band.window for band in bands}
    rules = [*bounds, *band_rules(case, bands, costs), *stable_rules(case, windows, costs)]
    rules += _retired(case, rules)
    return Decisions(
        policy=POLICY,
        start=champion.start,
        version=champion.version + 1,
        revises=champion.version,
        rules=tuple(sorted(rules, key=lambda rule: rule.id)),
        log_position=summaries.log_position,
        log_prefix=summaries.log_prefix,
        configuration=configuration.as_document(),
        notes=case.notes,
    )


def _costs(case: Case, cap: int) -> dict[int, BandCosts]:
    stable = stable_features(case)
    found = {
        band: band_costs(
            band,
            case.delays,
            case.noise,
            stable=stable,
            cap=cap,
            newest=case.newest,
            configuration=case.configuration,
        )
        for band in range(len(EDGES) + 1)
    }
    return {band: costs for band, costs in found.items() if costs is not None}


def _retired(case: Case, rules: Sequence[Rule]) -> list[Rule]:
    """Keep what the champion had and the new version has not, with the reason."""
    taken = {rule.id for rule in rules}
    gone: list[Rule] = []
    for rule in case.champion.rules:
        if rule.id in taken or rule.status in ("held", "vetoed"):
            continue
        reason = "what was learned since speaks against it" if rule.evidence else "no longer needed"
        retired = msgspec.structs.replace(rule, status="retired", reason=reason)
        gone.append(retired if rule.is_active else rule)
    return gone
