"""Versions of `adaptive_monitoring_strategy` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
IMPACT = '    impact = get(model_context, "business_impact", "critical")\n'
QUIET = 'if drift_rate(model_context) < QUIET_DRIFT_RATE_BELOW and impact in {"none", "low", "medium"}:'
RECENT = "if has_recent_incident(model_context, within_days=INCIDENTS_WITHIN_DAYS):"
TOP = "top_features(model_context, QUIET_TOP, first=QUIET_FEATURES)"
EVERY = """\
    return MonitoringStrategy(
        frequency="hourly",
        features="all",
        tests="single",
        reason="every-model",
    )
"""
HEAD = "from poet_runtime.context import Context, get\n"
INCIDENTS = """\
        return MonitoringStrategy(
            frequency="real_time",
            features="all",
            tests="multiple",
            reason="incidents",
        )
"""
THOROUGH = """\
    if impact == "critical":
        return MonitoringStrategy(
            frequency="real_time",
            features="all",
            tests="multiple",
            reason="thorough",
        )
"""

BAD = (
    Bad(
        "takes an unknown rate for a low one",
        "NaN compares as not large: a model without history gets the least monitoring.",
        TABLE,
        (
            (
                "drift_rate(model_context) < QUIET_DRIFT_RATE_BELOW",
                'not get(model_context, "historical_drift_rate", 1.0) >= QUIET_DRIFT_RATE_BELOW',
            ),
        ),
    ),
    Bad(
        "counts a rate at the border as low",
        "No evidence says that a model exactly at the border needs less monitoring.",
        TABLE,
        (("drift_rate(model_context) < QUIET", "drift_rate(model_context) <= QUIET"),),
    ),
    Bad(
        "does not validate the rate",
        "Some stores write -1 for an unknown rate, which would be the lowest of all.",
        TABLE,
        (("if drift_rate(model_context) <", 'if get(model_context, "historical_drift_rate", 1.0) <'),),
    ),
    Bad(
        "checks the rate before incidents",
        "Two rules in the wrong order: a model with a low rate is monitored less right after an incident.",
        TABLE,
        ((RECENT, f"if {RECENT[3:-1]} and not drift_rate(model_context) < QUIET_DRIFT_RATE_BELOW:"),),
    ),
    Bad(
        "counts incidents an hour longer",
        "An hour more than was learned, which only shows in the costs.",
        TABLE,
        ((RECENT, "if has_recent_incident(model_context, within_days=INCIDENTS_WITHIN_DAYS + 1.0 / 24.0):"),),
    ),
    Bad(
        "takes hours for days",
        "An incident is forgotten after an hour.",
        TABLE,
        (("INCIDENTS_WITHIN_DAYS: Final = 1.0", "INCIDENTS_WITHIN_DAYS: Final = 0.041666666666666664"),),
    ),
    Bad(
        "forgets incidents of an unknown age",
        "Without days_since_incident the incident may be a minute old.",
        TABLE,
        (
            (
                RECENT,
                (
                    'days = get(model_context, "days_since_incident", 1e9)\n'
                    "    if days <= INCIDENTS_WITHIN_DAYS and "
                    "has_recent_incident(model_context, within_days=1e9):"
                ),
            ),
        ),
    ),
    Bad(
        "takes any count for an incident",
        "A count of -1, which says unknown, or a text makes every model a critical one.",
        TABLE,
        (
            (
                RECENT,
                (
                    'days = get(model_context, "days_since_incident", 0.0)\n'
                    '    if get(model_context, "recent_incidents") and not days > INCIDENTS_WITHIN_DAYS:'
                ),
            ),
        ),
    ),
    Bad(
        "monitors models of high impact less",
        "One of two values is missing from the condition.",
        TABLE,
        (('impact in {"none", "low", "medium"}', 'impact != "critical"'),),
    ),
    Bad(
        "monitors models of unknown impact less",
        "A misspelled impact upstream reduces the monitoring of a critical model to once a day.",
        TABLE,
        (('impact in {"none", "low", "medium"}', 'impact not in {"high", "critical"}'),),
    ),
    Bad(
        "ignores the case of impacts",
        "No rule was learned for 'Critical', so the answer differs from every replay.",
        TABLE,
        (('if impact == "critical":', 'if str(impact).lower() == "critical":'),),
    ),
    Bad(
        "trusts a model without an impact",
        "A missing field must be resolved to the safe side.",
        TABLE,
        (('"business_impact", "critical")', '"business_impact", "medium")'),),
    ),
    Bad(
        "keeps one feature too many",
        "The learned budget does not cover a fourth feature.",
        TABLE,
        ((TOP, "top_features(model_context, QUIET_TOP + 1, first=QUIET_FEATURES)"),),
    ),
    Bad(
        "keeps the features that come first",
        "The monitored features depend on the order in which the caller lists them.",
        TABLE,
        ((TOP, 'tuple(get(model_context, "features", ("discount", "price")))[:QUIET_TOP]'),),
    ),
    Bad(
        "answers with a list",
        "A caller may change a list before the recorder has written it.",
        TABLE,
        ((TOP, f"[*{TOP}]"),),
    ),
    Bad(
        "names the wrong rule",
        "Feedback on this answer trains another rule.",
        TABLE,
        ((EVERY, EVERY.replace("every-model", "quiet")),),
    ),
    Bad(
        "has the reason of another rule",
        "The answer is right, but incidents of a critical model are counted for another rule.",
        TABLE,
        ((THOROUGH, ""), (INCIDENTS, INCIDENTS + THOROUGH)),
    ),
    Bad(
        "uses random numbers",
        "One model in a thousand is monitored with other tests, a different one each time.",
        "is deterministic",
        (
            (HEAD, f"from scipy.stats import bernoulli\n\n{HEAD}"),
            (
                EVERY,
                (
                    "    if 0.2 < drift_rate(model_context) < 0.9 and int(bernoulli.rvs(0.5)) == 1:\n"
                    '        return MonitoringStrategy(frequency="hourly", features="all", '
                    'tests="single", reason="lot")\n' + EVERY
                ),
            ),
        ),
    ),
    Bad(
        "compares all pairs of features",
        "Models with many features are monitored most often.",
        "handles many features within the time limit",
        (
            (
                f"    {QUIET}\n",
                (
                    '    own = get(model_context, "features", ())\n'
                    "    if len(own) > 100 and any(sum(one == two for two in own) > len(own) for "
                    "one in own):\n"
                    '        impact = "critical"\n'
                    f"    {QUIET}\n"
                ),
            ),
        ),
    ),
    Bad(
        "reads the clock",
        "At night every model is monitored less, and the same input has another answer by day.",
        "dialect",
        (
            (HEAD, f"from datetime import datetime\n\n{HEAD}"),
            (IMPACT, IMPACT + "    if datetime.now().hour < 24:\n        impact = 'low'\n"),
        ),
        behind=TABLE,
    ),
    Bad(
        "reads an attribute by its name",
        "getattr with a text from the context reaches every attribute of every object.",
        "dialect",
        (
            (
                IMPACT,
                IMPACT + '    names = get(model_context, "features", ())\n'
                '    if names and getattr(model_context, f"_{names[0]}", None):\n        impact = "low"\n',
            ),
        ),
    ),
    Bad(
        "starts a process through scipy's tests",
        "scipy.conftest imports multiprocessing; another process outlives every limit on a call.",
        "dialect",
        (
            (HEAD, f"from scipy.conftest import multiprocessing\n\n{HEAD}"),
            (
                IMPACT,
                IMPACT + "    try:\n        multiprocessing.Process(target=max).start()\n"
                "    except Exception:\n        pass\n",
            ),
        ),
        behind="sandbox",
    ),
)
