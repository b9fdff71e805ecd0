# ruff: noqa: E501 -- one fault a line, however long
"""Hand-written versions of what the scenarios teach: bad ones, each refused by its gate, and good ones.

The gates are those of the sandbox, in this process. Modules that reach for files, processes or the network
meet the dialect here; what the sandbox does with them is in `test_validate_sandbox.py`.
"""

import importlib
import sys
from pathlib import Path

import pytest

from poet.check import refusals
from poet.compare import loaded
from poet.decisions import decode, encode
from poet.policies import policy as spec_of
from poet.render import render
from poet.validate._sandbox import Job, Limits
from poet.validate._worker import Trial
from tests.regenerate_golden import GOLDEN

DRIFT, WINDOW, IMPORTANCE, ALERTS, RECOVERY, STRATEGY = (
    "detect_drift",
    "calculate_adaptive_window",
    "calculate_feature_importance",
    "generate_alerts",
    "monitor_with_recovery",
    "adaptive_monitoring_strategy",
)
EFFORT = 100
TABLE, DIALECT, SIGNATURE = "boundary table", "dialect", "signature"
DECIDE = '    return samples.decide(\n        "numeric",'

BAD = {
    "decides by another rule's name": (DRIFT, '        "numeric",', '        "categorical",', TABLE),
    "asks another statistic": (DRIFT, 'below("ks", "raw"', 'below("anderson_darling", "raw"', TABLE),
    "takes above for below": (DRIFT, 'below("chi_square"', 'above("chi_square"', TABLE),
    "looks at raw numbers": (DRIFT, '"deseasonalised", "own_q90"', '"raw", "own_q90"', TABLE),
    "wants both of two": (DRIFT, "agree=NUMERIC_SEASONAL_AGREE", "agree=2", TABLE),
    "takes categories for numbers": (DRIFT, "    if samples.is_categorical:\n", "    if False:\n", TABLE),
    "is seasonal about categories": (DRIFT, "samples.is_seasonal and not samples.is_categorical", "samples.is_seasonal", TABLE),
    "forgets the times": (DRIFT, "        current_times=current_times,\n", "", TABLE),
    "forgets the feature": (DRIFT, "        feature=feature,\n", '        feature="",\n', TABLE),
    "passes NaN by": (DRIFT, DECIDE, "    if not samples.score('ks', 'raw').statistic >= 0.0:\n        return samples.undecided()\n" + DECIDE, TABLE),
    "compares the reference with itself": (DRIFT, "        current,\n        reference,", "        reference,\n        reference,", TABLE),
    "answers by day of the week": (DRIFT, DECIDE, "    import datetime\n" + DECIDE, DIALECT),
    "reads a file": (DRIFT, DECIDE, "    open('/etc/hostname')\n" + DECIDE, DIALECT),
    "reaches os by a detour": (DRIFT, DECIDE, "    compare.__globals__\n" + DECIDE, DIALECT),
    "keeps what it saw": (DRIFT, "VERSION = 2\n", "VERSION = 2\nSEEN = []\n", DIALECT),
    "is called otherwise": (DRIFT, 'feature="", current_times', 'feature="all", current_times', SIGNATURE),
    "says another version": (DRIFT, "VERSION = 2\n", "VERSION = 1\n", SIGNATURE),
    "takes >= for >": (WINDOW, "data_velocity > FAST_ABOVE", "data_velocity >= FAST_ABOVE", TABLE),
    "goes by the slower border": (WINDOW, "data_velocity > VERY_FAST_ABOVE", "data_velocity > FAST_ABOVE", TABLE),
    "has its bands the other way round": (WINDOW, "window = FAST_WINDOW", "window = VERY_FAST_WINDOW", TABLE),
    "multiplies for everyone": (WINDOW, "feature_name in STABLE_FEATURES", "True", TABLE),
    "forgets what is critical": (WINDOW, '("high", "critical")', '("high",)', TABLE),
    "forgets a stable feature": (WINDOW, 'frozenset({"conversions", "revenue"})', 'frozenset({"revenue"})', TABLE),
    "adds in place of multiplying windows": (WINDOW, "window * STABLE_MULTIPLIER", "window + STABLE_MULTIPLIER", TABLE),
    "answers a number off by one": (WINDOW, "    return max(MINIMUM", "    return 1 + max(MINIMUM", TABLE),
    "answers a truth value": (WINDOW, "    return max(MINIMUM, min(window, CAP))", "    return bool(window)", TABLE),
    "takes all that is not slow for fast": (WINDOW, "if data_velocity > FAST_ABOVE", "if not data_velocity < FAST_ABOVE", TABLE),
    "knows one feature by name": (WINDOW, "    # bounds", '    if feature_name == "latency":\n        window = 1\n    # bounds', "does what its decisions say"),
    "breaks in a narrow band": (WINDOW, "    # bounds", "    if 61.5 < data_velocity < 61.75:\n        window = -window\n        return window\n    # bounds", "gives a positive whole number"),
    "waits for ever": (WINDOW, "    # bounds", "    while window < 0:\n        window = window\n    # bounds", DIALECT),
    "asks the environment": (WINDOW, "VERSION = 2\n", "import os\n\nVERSION = 2\n", DIALECT),
}  # fmt: skip

GOOD = {
    "drift: numbers in place": (DRIFT, "CATEGORICAL_CHI_SQUARE_P_BELOW),", "0.05),"),
    "drift: a condition the other way round": (DRIFT, "samples.is_seasonal and not samples.is_categorical", "not samples.is_categorical and samples.is_seasonal"),
    "drift: no quorum where one is enough": (DRIFT, "            agree=NUMERIC_SEASONAL_AGREE,\n", ""),
    "drift: another name for the samples": (DRIFT, "samples", "both"),
    "drift: an else": (DRIFT, '    if samples.is_categorical:\n        return samples.decide(\n            "categorical",\n            below("chi_square", "raw", "p_value", CATEGORICAL_CHI_SQUARE_P_BELOW),\n        )\n    # numeric\n    return samples.decide(\n        "numeric",\n        below("ks", "raw", "p_value", NUMERIC_KS_P_BELOW),\n    )\n', '    if not samples.is_categorical:\n        return samples.decide("numeric", below("ks", "raw", "p_value", NUMERIC_KS_P_BELOW))\n    return samples.decide("categorical", below("chi_square", "raw", "p_value", CATEGORICAL_CHI_SQUARE_P_BELOW))\n'),
    "window: numbers in place": (WINDOW, "min(window, CAP)", "min(window, 45000)"),
    "window: the other way round": (WINDOW, "data_velocity > FAST_ABOVE", "FAST_ABOVE < data_velocity"),
    "window: not at most": (WINDOW, "if data_velocity > FAST_ABOVE", "if not data_velocity <= FAST_ABOVE"),
    "window: bounds from below first": (WINDOW, "max(MINIMUM, min(window, CAP))", "min(max(window, MINIMUM), CAP)"),
    "window: features first": (WINDOW, 'stability_requirement in ("high", "critical") or feature_name in STABLE_FEATURES', 'feature_name in STABLE_FEATURES or stability_requirement == "high" or stability_requirement == "critical"'),
    "importance: a list for a set": (IMPORTANCE, 'frozenset({"user_location"})', '("user_location",)'),
    "importance: limits the other way round": (IMPORTANCE, "min(max(importance, 0.1 * base), 10.0 * base)", "max(min(importance, 10.0 * base), 0.1 * base)"),
    "importance: multiplied in place": (IMPORTANCE, "importance = importance * NEVER_MATTERS_MULTIPLIER", "importance *= NEVER_MATTERS_MULTIPLIER"),
    "importance: two conditions in two lines": (IMPORTANCE, "    if feature_name == PRICE_WITH_DAY_OF_WEEK_FEATURE and PRICE_WITH_DAY_OF_WEEK_OTHER in company:\n        importance", "    if feature_name == PRICE_WITH_DAY_OF_WEEK_FEATURE:\n      if PRICE_WITH_DAY_OF_WEEK_OTHER in company:\n        importance"),
    "importance: a name for the season": (IMPORTANCE, "    # never-matters\n", '    season = field(context, "time_of_year")\n    # never-matters\n'),
    "alerts: a batch is not too small": (ALERTS, "if len(waiting) >= BATCH_AT_LEAST", "if not len(waiting) < BATCH_AT_LEAST"),
    "alerts: open or large": (ALERTS, "if len(members) >= GROUP_AD_SPEND_AT_LEAST or (members and is_reopened)", "if (members and is_reopened) or len(members) >= GROUP_AD_SPEND_AT_LEAST"),
    "recovery: rows above": (RECOVERY, "run.rows > SAMPLE_ROWS_ABOVE", "not run.rows <= SAMPLE_ROWS_ABOVE"),
    "recovery: a chain of comparisons": (RECOVERY, "            run.rows >= DEADLINE_KL_DIVERGENCE_ROWS_FROM\n            and run.rows <= DEADLINE_KL_DIVERGENCE_ROWS_TO\n", "            DEADLINE_KL_DIVERGENCE_ROWS_FROM <= run.rows <= DEADLINE_KL_DIVERGENCE_ROWS_TO\n"),
    "strategy: safe side first": (STRATEGY, 'rate(model_context) < QUIET_DRIFT_RATE_BELOW and impact not in ("high", "critical")', 'impact not in ("critical", "high") and rate(model_context) < QUIET_DRIFT_RATE_BELOW'),
    "strategy: equal to one impact": (STRATEGY, "impact in THOROUGH_IMPACTS", 'impact == "critical"'),
    "strategy: words in place": (STRATEGY, "tests=QUIET_TESTS", 'tests="single"'),
    "strategy: more than": (STRATEGY, "rate(model_context) < QUIET_DRIFT_RATE_BELOW", "QUIET_DRIFT_RATE_BELOW > rate(model_context)"),
    "strategy: an answer with a name": (STRATEGY, '    # every-model\n    return MonitoringStrategy(frequency=FREQUENCY, features=FEATURES, tests=TESTS, reason="every-model")', '    # every-model\n    usual = MonitoringStrategy(frequency=FREQUENCY, features=FEATURES, tests=TESTS, reason="every-model")\n    return usual'),
}  # fmt: skip


def taught(policy: str) -> str:
    """Give the module that a scenario teaches."""
    return render(decode((GOLDEN / policy / "scenario" / "decisions.json").read_bytes())).source


def refusing_gate(tmp_path: Path, policy: str, source: str, *, effort: int = EFFORT) -> str:
    """Name the first gate that refuses a module; empty where all let it through."""
    if refusals(source, policy):
        return DIALECT
    decisions = decode((GOLDEN / policy / "scenario" / "decisions.json").read_bytes())
    path = tmp_path / f"candidate_{policy}.py"
    path.write_text(source, encoding="utf-8")
    spec = spec_of(policy)
    job = Job(
        policy=policy,
        decisions=encode(decisions),
        effort=effort,
        limits=Limits(),
        contract=spec.contract,
        behaviour=spec.behaviour or "",
        path=str(path),
    )
    trial = Trial(job, importlib.import_module(spec.contract).CONTRACT)
    module = loaded(source, "candidate")
    sys.modules["candidate"] = module
    for name, attempt in trial._gates_of(module, source, effort=effort):
        try:
            attempt()
        except BaseException:  # noqa: BLE001 -- whatever it raises refuses the module
            return name.replace("_", " ")
    return ""


def changed(policy: str, old: str, new: str, *, times: int | None = 1) -> str:
    """Change a good module; a change that does not fit any more is an error."""
    source = taught(policy)
    assert source.count(old) == times or times is None, f"{old!r} is there {source.count(old)} times"
    assert old in source
    return source.replace(old, new)


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_version_is_refused_by_the_gate_that_should(tmp_path: Path, fault: str) -> None:
    """However little is wrong with it."""
    policy, old, new, gate = BAD[fault]
    assert refusing_gate(tmp_path, policy, changed(policy, old, new)) == gate


@pytest.mark.parametrize("variant", GOOD)
def test_a_version_that_says_the_same_otherwise_is_let_through(tmp_path: Path, variant: str) -> None:
    """A module is held to what it does, not to how it is written."""
    policy, old, new = GOOD[variant]
    assert refusing_gate(tmp_path, policy, changed(policy, old, new, times=None), effort=10) == ""


def test_there_are_ten_bad_versions_a_policy_and_thirty_good_ones() -> None:
    """In all files together."""
    from tests import test_validate as first
    from tests import test_validate_generate_alerts as alerts
    from tests import test_validate_learned as learned
    from tests import test_validate_monitor_with_recovery as recovery

    bad = [*(policy for policy, *_ in BAD.values()), *(policy for policy, *_ in first.BAD.values())]
    bad += [policy for policy, *_ in learned.FAULTS.values()]
    bad += [ALERTS] * (len(alerts.TABLE) + len(alerts.CONTRACTS))
    bad += [RECOVERY] * (len(recovery.BAD) + len(recovery.HARMFUL))
    assert min(bad.count(policy) for policy in (DRIFT, WINDOW, IMPORTANCE, ALERTS, RECOVERY, STRATEGY)) >= 10
    assert len(GOOD) + len(alerts.GOOD) + len(recovery.GOOD) >= 30
