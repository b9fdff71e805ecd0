"""Versions of `adaptive_monitoring_strategy` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

IMPACT = '    impact = get(model_context, "business_impact", "critical")\n'
QUIET = 'if drift_rate(model_context) < QUIET_DRIFT_RATE_BELOW and impact in {"none", "low", "medium"}:'
RECENT = "if has_recent_incident(model_context, within_days=INCIDENTS_WITHIN_DAYS):"
EVERY = """\
    return MonitoringStrategy(
        frequency="hourly",
        features="all",
        tests="single",
        reason="every-model",
    )
"""
TOP = "features=top_features(model_context, QUIET_TOP, first=QUIET_FEATURES),"

GOOD = (
    Good(
        "asks for every model before quiet ones",
        (
            (
                QUIET,
                (
                    "if not drift_rate(model_context) < QUIET_DRIFT_RATE_BELOW or "
                    'impact not in {"none", "low", "medium"}:\n'
                    "        return MonitoringStrategy(\n"
                    '            frequency="hourly", features="all", tests="single", reason="every-model"\n'
                    "        )\n    else:"
                ),
            ),
            (EVERY, ""),
        ),
    ),
    Good(
        "turns its comparison round",
        (
            (
                "drift_rate(model_context) < QUIET_DRIFT_RATE_BELOW and impact in",
                "QUIET_DRIFT_RATE_BELOW > drift_rate(model_context) and not impact not in",
            ),
        ),
    ),
    Good(
        "uses another name and its values in place",
        (
            (IMPACT, IMPACT + "    gravity = impact\n"),
            ('if impact == "critical":', 'if gravity in ("critical",):'),
            ("within_days=INCIDENTS_WITHIN_DAYS", "within_days=1.0"),
            ("first=QUIET_FEATURES", 'first=frozenset({"price", "discount"})'),
        ),
    ),
    Good(
        "reads incidents itself",
        (
            (
                RECENT,
                (
                    'incidents = get(model_context, "recent_incidents", 0)\n'
                    "    is_count = isinstance(incidents, (int, float)) and not isinstance(incidents, bool)\n"
                    "    if is_count and incidents > 0 and has_recent_incident(model_context, "
                    "within_days=INCIDENTS_WITHIN_DAYS):"
                ),
            ),
        ),
    ),
    Good(
        "keeps its features in a loop",
        (
            (
                '            frequency="daily",\n',
                '            tests="single",\n            frequency="daily",\n',
            ),
            ('            tests="single",\n            reason', "            reason"),
            (
                f"    {QUIET}\n",
                f"    first = top_features(model_context, 1000, first=QUIET_FEATURES)\n    {QUIET}\n",
            ),
            (TOP, "features=tuple(each for place, each in enumerate(first) if place < QUIET_TOP),"),
        ),
    ),
    Good(
        "asks for the impact apart from the drift rate",
        (
            (
                QUIET,
                (
                    "is_quiet = drift_rate(model_context) < 0.01\n"
                    '    is_modest = impact in {"low", "medium", "none"}\n    if is_quiet and is_modest:'
                ),
            ),
        ),
    ),
)
