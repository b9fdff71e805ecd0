"""Versions of `detect_drift` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
COMPARE = """\
    samples = compare(
        current,
        reference,
"""
UNDECIDED = """\
    if samples.reason:
        return samples.undecided()
"""
CATEGORICAL = """\
    if samples.is_categorical:
        return samples.decide(
            "categorical",
            below("chi_square", "raw", "p_value", CATEGORICAL_CHI_SQUARE_P_BELOW),
        )
"""
NUMERIC = """\
    return samples.decide(
        "numeric",
        below("ks", "raw", "p_value", NUMERIC_KS_P_BELOW),
    )
"""
HEAD = "from poet_runtime.drift import above, below, compare\n"
RESULT = NUMERIC.replace("return samples", "result = samples")

BAD = (
    Bad(
        "reverses the direction of a p-value",
        "With above instead of below, every stable feature alerts and no drift does.",
        TABLE,
        (
            (
                'below("ks", "raw", "p_value", NUMERIC_KS_P_BELOW)',
                'above("ks", "raw", "p_value", NUMERIC_KS_P_BELOW)',
            ),
        ),
    ),
    Bad(
        "lowers a threshold by one float",
        "A p-value of exactly the threshold gives another answer than the decisions.",
        TABLE,
        (("NUMERIC_KS_P_BELOW = 0.05 ", "NUMERIC_KS_P_BELOW = 0.049999999999999996 "),),
    ),
    Bad(
        "requires both criteria instead of one",
        "A seasonal drift that only one statistic shows is never found.",
        TABLE,
        (("NUMERIC_SEASONAL_MIN_VOTES = 1 ", "NUMERIC_SEASONAL_MIN_VOTES = 2 "),),
    ),
    Bad(
        "omits the seasonal adjustment",
        "Every night drifts from every day.",
        TABLE,
        (('above("wasserstein", "deseasonalized", "null_q90"', 'above("wasserstein", "raw", "null_q90"'),),
    ),
    Bad(
        "swaps the preparations of two criteria",
        "The two thresholds are equal today, but the next version may change only one of them.",
        TABLE,
        (
            (
                (
                    '            above("wasserstein", "deseasonalized", "null_q90", '
                    "NUMERIC_SEASONAL_WASSERSTEIN_NULL_Q90_ABOVE),\n"
                ),
                "",
            ),
            (
                (
                    '            above("mean_absolute_difference", "raw", "null_q90", '
                    "NUMERIC_SEASONAL_MEAN_ABSOLUTE_DIFFERENCE_NULL_Q90_ABOVE),\n"
                ),
                (
                    '            above("mean_absolute_difference", "deseasonalized", "null_q90", '
                    "NUMERIC_SEASONAL_MEAN_ABSOLUTE_DIFFERENCE_NULL_Q90_ABOVE),\n"
                    '            above("wasserstein", "raw", "null_q90", '
                    "NUMERIC_SEASONAL_WASSERSTEIN_NULL_Q90_ABOVE),\n"
                ),
            ),
        ),
    ),
    Bad(
        "treats seasonal categories as numbers",
        "The rule for numbers comes first, so order statistics are computed on categories.",
        TABLE,
        (("if samples.is_seasonal and not samples.is_categorical:", "if samples.is_seasonal:"),),
    ),
    Bad(
        "swaps the samples",
        "Season and self-distances are computed from the sample under test.",
        TABLE,
        ((COMPARE, "    samples = compare(\n        reference,\n        current,\n"),),
    ),
    Bad(
        "swaps the times",
        "The current sample gets the phases of the reference.",
        TABLE,
        (
            ("current_times=current_times,", "current_times=reference_times,"),
            ("reference_times=reference_times,", "reference_times=current_times,"),
        ),
    ),
    Bad(
        "uses only the first values",
        "A drift at the end of a long sample is not seen.",
        TABLE,
        ((COMPARE, "    samples = compare(\n        current[:1000],\n        reference,\n"),),
    ),
    Bad(
        "drops the context",
        "Without it, the season that the caller knows is estimated, and the impact of an alert is lost.",
        TABLE,
        (("        context=context,\n", ""),),
    ),
    Bad(
        "drops the feature name",
        "The answer is right but not attributed to a feature, so no rule learns from feedback on it.",
        TABLE,
        (("        feature=feature,\n", ""),),
    ),
    Bad(
        "reports another version",
        "Feedback on this version counts for the previous one.",
        TABLE,
        (("version=VERSION", "version=1"),),
    ),
    Bad(
        "reports another rule",
        "The answer is right under the wrong id, so evidence goes to a rule that did not decide.",
        TABLE,
        (('        "numeric",\n', '        "categorical",\n'),),
    ),
    Bad(
        "decides without comparable samples",
        "Every statistic of an empty sample is NaN, and NaN is below no threshold: no drift.",
        TABLE,
        ((UNDECIDED, "    if not samples.reason:\n        pass\n"),),
    ),
    Bad(
        "hides missing data",
        "A pipeline that delivers no data at all is reported as no drift.",
        TABLE,
        (
            (
                "return samples.undecided()",
                'return DriftResult(drifted=False, score=0.0, threshold=1.0, test="none")',
            ),
        ),
    ),
    Bad(
        "treats an error as no drift",
        "A column of the wrong type is monitored for months and never drifts.",
        "rejects wrong types",
        (
            (
                COMPARE,
                "    try:\n        compare(current, reference)\n    except Exception:\n"
                '        return DriftResult(drifted=False, score=0.0, threshold=1.0, test="none", '
                'reason="none")\n' + COMPARE,
            ),
        ),
    ),
    Bad(
        "returns a numpy boolean",
        "numpy's False is not False: `is False`, JSON and isinstance all treat it differently.",
        TABLE,
        (
            (HEAD, f"from numpy import bool_\n\n{HEAD}"),
            (
                NUMERIC,
                RESULT + "    return DriftResult(\n"
                "        drifted=bool_(result.drifted),\n        score=result.score,\n"
                "        threshold=result.threshold,\n        test=result.test,\n"
                "        rule=result.rule,\n    )\n",
            ),
        ),
    ),
    Bad(
        "reports another threshold",
        "The reported threshold is not the one that decided, so no one can verify the alert.",
        TABLE,
        (
            (
                NUMERIC,
                RESULT + "    return DriftResult(\n"
                "        drifted=result.drifted,\n        score=result.score,\n"
                "        threshold=2.0 * result.threshold,\n"
                "        test=result.test,\n        direction=result.direction,\n"
                "        rule=result.rule,\n    )\n",
            ),
        ),
    ),
    Bad(
        "requires too many points",
        "A new feature has few points, so the monitor silently ignores its first weeks.",
        TABLE,
        ((UNDECIDED, UNDECIDED.replace("samples.reason:", "samples.reason or len(current) < 30:")),),
    ),
    Bad(
        "gives up on large samples",
        "The feature with the most traffic is no longer monitored.",
        "detects a shift in large samples within the time limit",
        (
            (
                NUMERIC,
                (
                    "    if len(current) > 10_000:\n        return DriftResult(\n"
                    '            drifted=False, score=1.0, threshold=0.05, test="ks/raw/p_value", '
                    'direction="below"\n'
                    f"        )\n{NUMERIC}"
                ),
            ),
        ),
    ),
    Bad(
        "compares all pairs of points",
        "A hundred thousand points take a minute, for a feature that is checked every second.",
        "detects a shift in large samples within the time limit",
        (
            (
                COMPARE,
                "    if isinstance(current, ndarray) and len(current) > 10_000:\n"
                "        if any(sum(one == two for two in current) > len(current) for one in current):\n"
                "            current = reference\n" + COMPARE,
            ),
            (HEAD, f"from numpy import ndarray\n\n{HEAD}"),
        ),
    ),
    Bad(
        "sorts its arguments",
        "The call changes the order of the caller's array.",
        "does not modify its arguments",
        (
            (HEAD, f"from numpy import asarray, ndarray\n\n{HEAD}"),
            (
                COMPARE,
                '    if isinstance(current, ndarray) and current.dtype == "float64":\n'
                "        values = asarray(current)\n        values.sort()\n" + COMPARE,
            ),
        ),
    ),
    Bad(
        "fills missing values with zeros",
        "Where a sensor fails, its NaN become zeros in the caller's own array.",
        "reports missing data",
        (
            (HEAD, f"from numpy import nan_to_num, ndarray\n\n{HEAD}"),
            (
                COMPARE,
                '    if isinstance(current, ndarray) and len(current) > 1 and current.dtype == "float64":\n'
                "        current = nan_to_num(current, copy=False)\n" + COMPARE,
            ),
        ),
    ),
    Bad(
        "depends on the first value",
        "The first value of a sample without times carries no information.",
        "ignores the order of current",
        (
            (HEAD, f"from numpy import ndarray\n\n{HEAD}"),
            (
                NUMERIC,
                "    if isinstance(current, ndarray) and len(current) > 20 and current[0] > current[1]:\n"
                '        return samples.decide("numeric", below("ks", "raw", "p_value", 0.9))\n' + NUMERIC,
            ),
        ),
    ),
    Bad(
        "depends on the unit",
        "The feature drifts in millimeters but not in meters.",
        "is invariant to unit and origin",
        (
            (HEAD, f"from numpy import ndarray\n\n{HEAD}"),
            (
                NUMERIC,
                '    is_array = isinstance(reference, ndarray) and reference.dtype == "float64"\n'
                "    if is_array and len(reference) and float(reference.max()) > 100.0:\n"
                '        return samples.decide("numeric", below("ks", "raw", "p_value", 0.9))\n' + NUMERIC,
            ),
        ),
    ),
    Bad(
        "writes to a file",
        "A policy that writes to a disk fills it and bypasses access control.",
        "dialect",
        ((UNDECIDED, '    print(feature, file=open("/tmp/drifts", "a"))\n' + UNDECIDED),),
        behind=TABLE,
    ),
    Bad(
        "opens a socket",
        "A sample that is sent elsewhere is a leak of customer data.",
        "dialect",
        (
            (HEAD, f"import socket\n\n{HEAD}"),
            (
                UNDECIDED,
                '    try:\n        socket.create_connection(("192.0.2.1", 80), timeout=0.1)\n'
                "    except OSError:\n        pass\n" + UNDECIDED,
            ),
        ),
        behind="sandbox",
    ),
    Bad(
        "leaves a thread running",
        "Each call leaves one more thread, until the program runs out of memory.",
        "dialect",
        (
            (HEAD, f"import threading\n\n{HEAD}"),
            (
                UNDECIDED,
                "    if threading.active_count() < 2:\n"
                "        threading.Thread(target=threading.Event().wait, daemon=True).start()\n" + UNDECIDED,
            ),
        ),
        behind="sandbox",
    ),
    Bad(
        "changes its signature",
        'Callers that omit the feature get the rules of a feature named "all".',
        "signature",
        (('feature="", current_times', 'feature="all", current_times'),),
    ),
)
