"""Versions of `adaptive_monitoring_strategy` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
IMPACT = '    impact = field(model_context, "business_impact", "critical")\n'
QUIET = 'if rate(model_context) < QUIET_DRIFT_RATE_BELOW and impact in ("none", "low", "medium"):'
RECENT = "if has_recent_incident(model_context, INCIDENTS_WITHIN_DAYS):"
TOP = "top_features(model_context, QUIET_FEATURES, QUIET_TOP)"
EVERY = 'reason="every-model")'
HEAD = "from poet_runtime.context import field\n"
INCIDENTS = """\
        return MonitoringStrategy(
            frequency=INCIDENTS_FREQUENCY,
            features="all",
            tests=INCIDENTS_TESTS,
            reason="incidents",
        )
"""
THOROUGH = """\
    # thorough
    if impact in THOROUGH_IMPACTS:
        return MonitoringStrategy(
            frequency=THOROUGH_FREQUENCY,
            features="all",
            tests=THOROUGH_TESTS,
            reason="thorough",
        )
"""

BAD = (
    Bad(
        "takes an unknown rate for a quiet one",
        "NaN is not at least anything: a model whose history is lost is watched the least.",
        TABLE,
        (
            (
                "rate(model_context) < QUIET_DRIFT_RATE_BELOW",
                'not field(model_context, "historical_drift_rate", 1.0) >= QUIET_DRIFT_RATE_BELOW',
            ),
        ),
    ),
    Bad(
        "counts a rate at the border as quiet",
        "The border itself was never shown to be quiet.",
        TABLE,
        (("rate(model_context) < QUIET", "rate(model_context) <= QUIET"),),
    ),
    Bad(
        "reads a rate as it comes",
        "A rate of -1, by which some stores say unknown, is the quietest of all.",
        TABLE,
        (("if rate(model_context) <", 'if field(model_context, "historical_drift_rate", 1.0) <'),),
    ),
    Bad(
        "is quiet before it asks for incidents",
        "Two rules in the wrong order: a quiet model stays quiet right after an incident.",
        TABLE,
        ((RECENT, f"if {RECENT[3:-1]} and not rate(model_context) < QUIET_DRIFT_RATE_BELOW:"),),
    ),
    Bad(
        "lets incidents count an hour longer",
        "An hour beside what was learned; nobody sees it but the bill.",
        TABLE,
        ((RECENT, "if has_recent_incident(model_context, INCIDENTS_WITHIN_DAYS + 1.0 / 24.0):"),),
    ),
    Bad(
        "takes hours for days",
        "An incident is forgotten after an hour.",
        TABLE,
        (("INCIDENTS_WITHIN_DAYS = 1.0", "INCIDENTS_WITHIN_DAYS = 0.041666666666666664"),),
    ),
    Bad(
        "forgets incidents of an unknown age",
        "Without days_since_incident the incident may be a minute old.",
        TABLE,
        (
            (
                RECENT,
                (
                    'days = field(model_context, "days_since_incident", 1e9)\n'
                    "    if days <= INCIDENTS_WITHIN_DAYS and has_recent_incident(model_context, 1e9):"
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
                    'days = field(model_context, "days_since_incident", 0.0)\n'
                    '    if field(model_context, "recent_incidents") and not days > INCIDENTS_WITHIN_DAYS:'
                ),
            ),
        ),
    ),
    Bad(
        "rests on models of high impact",
        "One of two words left out.",
        TABLE,
        (('impact in ("none", "low", "medium")', 'impact != "critical"'),),
    ),
    Bad(
        "rests on models of an impact that nobody knows",
        "A word misspelt upstream and a critical model is looked at once a day.",
        TABLE,
        (('impact in ("none", "low", "medium")', 'impact not in ("high", "critical")'),),
    ),
    Bad(
        "reads impacts in any case",
        "Critical is a word that no rule was learned of; the answer differs from every replay.",
        TABLE,
        (("if impact in THOROUGH_IMPACTS:", "if str(impact).lower() in THOROUGH_IMPACTS:"),),
    ),
    Bad(
        "trusts a model that names no impact",
        "What is left out must count on the safe side.",
        TABLE,
        (('"business_impact", "critical")', '"business_impact", "medium")'),),
    ),
    Bad(
        "keeps one feature too many",
        "The fourth feature is what the learned budget has no room for.",
        TABLE,
        ((TOP, "top_features(model_context, QUIET_FEATURES, QUIET_TOP + 1)"),),
    ),
    Bad(
        "keeps the features that come first",
        "Which features are watched depends on the order in which a caller lists them.",
        TABLE,
        ((TOP, 'tuple(field(model_context, "features", ("discount", "price")))[:QUIET_TOP]'),),
    ),
    Bad(
        "answers with a list",
        "A caller may change a list, and with it what the recorder has yet to write down.",
        TABLE,
        ((TOP, f"[*{TOP}]"),),
    ),
    Bad(
        "names the wrong rule",
        "What feedback says of this answer is learned by another rule.",
        TABLE,
        ((EVERY, 'reason="quiet")'),),
    ),
    Bad(
        "gives the reason of the rule below",
        "The answer is right and the blame is not: a critical model's incidents are counted elsewhere.",
        TABLE,
        ((THOROUGH, ""), (INCIDENTS, INCIDENTS + THOROUGH)),
    ),
    Bad(
        "draws lots",
        "One model of a thousand is watched by other tests, another one each time.",
        "answers the same again",
        (
            (HEAD, f"from scipy.stats import bernoulli\n\n{HEAD}"),
            (
                "    # every-model\n",
                (
                    "    if 0.2 < rate(model_context) < 0.9 and int(bernoulli.rvs(0.5)) == 1:\n"
                    "        return MonitoringStrategy(frequency=FREQUENCY, features=FEATURES, "
                    'tests=TESTS, reason="lot")\n'
                    "    # every-model\n"
                ),
            ),
        ),
    ),
    Bad(
        "compares every two features",
        "Models of many features are those that are asked about the most.",
        "answers in time for many features",
        (
            (
                "    # quiet\n",
                (
                    '    own = field(model_context, "features", ())\n'
                    "    if len(own) > 100 and any(sum(one == two for two in own) > len(own) for "
                    "one in own):\n"
                    '        impact = "critical"\n'
                    "    # quiet\n"
                ),
            ),
        ),
    ),
    Bad(
        "looks at the clock",
        "At night every model is watched less, and the same log gives other answers by day.",
        "dialect",
        (
            (HEAD, f"from datetime import datetime\n\n{HEAD}"),
            (IMPACT, IMPACT + "    if datetime.now().hour < 24:\n        impact = 'low'\n"),
        ),
        behind=TABLE,
    ),
    Bad(
        "reads an attribute by its name",
        "With getattr and a text from the context every attribute of every object is in reach.",
        "dialect",
        (
            (
                IMPACT,
                IMPACT + '    names = field(model_context, "features", ())\n'
                '    if names and getattr(model_context, f"_{names[0]}", None):\n        impact = "low"\n',
            ),
        ),
    ),
    Bad(
        "starts a process by way of scipy's tests",
        "scipy.conftest holds multiprocessing; a process of its own outlives every limit on a call.",
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
