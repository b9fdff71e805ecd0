"""Versions of `adaptive_monitoring_strategy` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

IMPACT = '    impact = field(model_context, "business_impact", "critical")\n'
QUIET = 'if rate(model_context) < QUIET_DRIFT_RATE_BELOW and impact in ("none", "low", "medium"):'
RECENT = "if has_recent_incident(model_context, INCIDENTS_WITHIN_DAYS):"
EVERY = """\
    # every-model
    return MonitoringStrategy(frequency=FREQUENCY, features=FEATURES, tests=TESTS, reason="every-model")
"""
TOP = "features=top_features(model_context, QUIET_FEATURES, QUIET_TOP),"

GOOD = (
    Good(
        "asks for every model before quiet ones",
        (
            (
                QUIET,
                (
                    "if not rate(model_context) < QUIET_DRIFT_RATE_BELOW or "
                    'impact not in ("none", "low", "medium"):\n'
                    "        return MonitoringStrategy(\n"
                    '            frequency=FREQUENCY, features=FEATURES, tests=TESTS, reason="every-model"\n'
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
                "rate(model_context) < QUIET_DRIFT_RATE_BELOW and impact in",
                "QUIET_DRIFT_RATE_BELOW > rate(model_context) and not impact not in",
            ),
        ),
    ),
    Good(
        "uses another name and its values in place",
        (
            (IMPACT, IMPACT + "    gravity = impact\n"),
            ("if impact in THOROUGH_IMPACTS:", 'if gravity == "critical":'),
            ("frequency=THOROUGH_FREQUENCY", 'frequency="real_time"'),
            ("tests=THOROUGH_TESTS", 'tests="multiple"'),
        ),
    ),
    Good(
        "reads incidents itself",
        (
            (
                RECENT,
                (
                    'incidents = field(model_context, "recent_incidents", 0)\n'
                    "    is_count = isinstance(incidents, (int, float)) and not isinstance(incidents, bool)\n"
                    "    if is_count and incidents > 0 and has_recent_incident(model_context, "
                    "INCIDENTS_WITHIN_DAYS):"
                ),
            ),
        ),
    ),
    Good(
        "keeps its features in a loop",
        (
            (
                "            frequency=QUIET_FREQUENCY,\n",
                "            tests=QUIET_TESTS,\n            frequency=QUIET_FREQUENCY,\n",
            ),
            ("            tests=QUIET_TESTS,\n            reason", "            reason"),
            (
                f"    {QUIET}\n",
                f"    first = top_features(model_context, QUIET_FEATURES, 1000)\n    {QUIET}\n",
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
                    "is_quiet = rate(model_context) < 0.01\n"
                    '    is_modest = impact in {"low", "medium", "none"}\n    if is_quiet and is_modest:'
                ),
            ),
        ),
    ),
)
