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
        "treats an unknown drift rate as low",
        "A comparison with NaN is always false, so a model whose history is lost would be monitored least.",
        TABLE,
        (
            (
                "rate(model_context) < QUIET_DRIFT_RATE_BELOW",
                'not field(model_context, "historical_drift_rate", 1.0) >= QUIET_DRIFT_RATE_BELOW',
            ),
        ),
    ),
    Bad(
        "treats a rate at the threshold as low",
        "No evidence covers the threshold itself.",
        TABLE,
        (("rate(model_context) < QUIET", "rate(model_context) <= QUIET"),),
    ),
    Bad(
        "uses an invalid rate without a check",
        "Some stores use a rate of -1 for unknown, which would count as the lowest rate of all.",
        TABLE,
        (("if rate(model_context) <", 'if field(model_context, "historical_drift_rate", 1.0) <'),),
    ),
    Bad(
        "checks for quiet models before incidents",
        "The rules are in the wrong order: a quiet model stays quiet right after an incident.",
        TABLE,
        ((RECENT, f"if {RECENT[3:-1]} and not rate(model_context) < QUIET_DRIFT_RATE_BELOW:"),),
    ),
    Bad(
        "extends the incident period by one hour",
        "The period is an hour longer than the learned one, which only shows in the bill.",
        TABLE,
        ((RECENT, "if has_recent_incident(model_context, INCIDENTS_WITHIN_DAYS + 1.0 / 24.0):"),),
    ),
    Bad(
        "confuses hours with days",
        "An incident is forgotten after an hour.",
        TABLE,
        (("INCIDENTS_WITHIN_DAYS = 1.0", "INCIDENTS_WITHIN_DAYS = 0.041666666666666664"),),
    ),
    Bad(
        "ignores incidents of unknown age",
        "Without days_since_incident, the incident may be a minute old.",
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
        "counts invalid values as incidents",
        "A count of -1, which means unknown, or a text would make every model critical.",
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
        "monitors high-impact models less",
        "One of two impact levels is missing from the condition.",
        TABLE,
        (('impact in ("none", "low", "medium")', 'impact != "critical"'),),
    ),
    Bad(
        "monitors models of unknown impact less",
        "A typo upstream, and a critical model is monitored only once a day.",
        TABLE,
        (('impact in ("none", "low", "medium")', 'impact not in ("high", "critical")'),),
    ),
    Bad(
        "ignores the case of impact levels",
        'No rule was learned for "Critical", so the answer would differ from every replay.',
        TABLE,
        (("if impact in THOROUGH_IMPACTS:", "if str(impact).lower() in THOROUGH_IMPACTS:"),),
    ),
    Bad(
        "assumes medium impact if none is given",
        "A missing value must count on the safe side.",
        TABLE,
        (('"business_impact", "critical")', '"business_impact", "medium")'),),
    ),
    Bad(
        "keeps one feature too many",
        "The learned budget has no room for the fourth feature.",
        TABLE,
        ((TOP, "top_features(model_context, QUIET_FEATURES, QUIET_TOP + 1)"),),
    ),
    Bad(
        "keeps the first features of the context",
        "The monitored features would depend on the order in which a caller lists them.",
        TABLE,
        ((TOP, 'tuple(field(model_context, "features", ("discount", "price")))[:QUIET_TOP]'),),
    ),
    Bad(
        "returns a list of features",
        "A caller can modify a list before the recorder has written it.",
        TABLE,
        ((TOP, f"[*{TOP}]"),),
    ),
    Bad(
        "reports the wrong rule",
        "Feedback on this answer would be credited to another rule.",
        TABLE,
        ((EVERY, 'reason="quiet")'),),
    ),
    Bad(
        "reports the rule with lower priority",
        "The answer is right but attributed wrongly: incidents of critical models count for another rule.",
        TABLE,
        ((THOROUGH, ""), (INCIDENTS, INCIDENTS + THOROUGH)),
    ),
    Bad(
        "answers at random",
        "One model in a thousand gets other tests, and a different one each time.",
        "is deterministic",
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
        "compares all pairs of features",
        "Models with many features are called most often.",
        "handles many features within the time limit",
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
        "reads the clock",
        "Every model is monitored less at night, so a replay of the same log gives other answers by day.",
        "dialect",
        (
            (HEAD, f"from datetime import datetime\n\n{HEAD}"),
            (IMPACT, IMPACT + "    if datetime.now().hour < 24:\n        impact = 'low'\n"),
        ),
        behind=TABLE,
    ),
    Bad(
        "reads an attribute by a computed name",
        "getattr with a text from the context reaches every attribute of every object.",
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
        "starts a process through scipy's tests",
        "scipy.conftest exposes multiprocessing, and a separate process escapes every limit on a call.",
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
