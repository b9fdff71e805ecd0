"""Learn the windows: readings, hypotheses, costs, rules."""

import math
from typing import TYPE_CHECKING, cast

from poet.decisions import Decisions
from poet.learn.calculate_adaptive_window._bands import band_rules, band_windows
from poet.learn.calculate_adaptive_window._bounds import bounds_rules
from poet.learn.calculate_adaptive_window._costs import BandCosts, band_costs
from poet.learn.calculate_adaptive_window._readings import EDGES
from poet.learn.calculate_adaptive_window._rule_update import WindowRuleUpdate, gather
from poet.learn.calculate_adaptive_window._stable import stable_features, stable_rules
from poet.learn.configuration import LearnConfiguration

if TYPE_CHECKING:  # the tables are all that is used; the engine behind them stays out of the way
    from poet.summaries import Summaries


def learn(summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration) -> Decisions:
    """Decide windows, multipliers and bounds from delays, noise and performance.

    Pure: the same summaries, champion and configuration give the same decisions. Under noise (outcomes
    independent of window, velocity and feature) the chance of *ever* adopting a rule is at most
    ``configuration.risk``, however often this runs.
    """
    update = gather(summaries, champion, configuration)
    bounds = bounds_rules(update)
    costs = _costs(update, cast("int", bounds[0].parameters["cap"]))
    bands = band_windows(update, costs)
    windows = {band.index: band.window for band in bands}
    rules = [*bounds, *band_rules(update, bands, costs), *stable_rules(update, windows, costs)]
    return update.decisions(rules, log_prefix=summaries.log_prefix, notes=update.notes)


def cost_curves(
    summaries: "Summaries", champion: Decisions, configuration: LearnConfiguration
) -> dict[str, BandCosts]:
    """Return what the windows cost that were in use, by band of data velocity, in its words."""
    update = gather(summaries, champion, configuration)
    cap = cast("int", bounds_rules(update)[0].parameters["cap"])
    ends = [0.0, *EDGES, math.inf]
    return {
        f"{ends[band]:g} … {ends[band + 1]:g} points an hour": costs
        for band, costs in sorted(_costs(update, cap).items())
    }


def _costs(update: WindowRuleUpdate, cap: int) -> dict[int, BandCosts]:
    stable = stable_features(update)
    found = {
        band: band_costs(
            band,
            update.delays,
            update.noise,
            stable=stable,
            cap=cap,
            newest=update.newest,
            configuration=update.configuration,
        )
        for band in range(len(EDGES) + 1)
    }
    return {band: costs for band, costs in found.items() if costs is not None}
