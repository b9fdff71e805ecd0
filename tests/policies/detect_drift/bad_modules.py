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
        "compares a p-value in the wrong direction",
        "Every feature without a drift alerts, and no drift does.",
        TABLE,
        (
            (
                'below("ks", "raw", "p_value", NUMERIC_KS_P_BELOW)',
                'above("ks", "raw", "p_value", NUMERIC_KS_P_BELOW)',
            ),
        ),
    ),
    Bad(
        "has a threshold one step lower",
        "A p-value of exactly the threshold has the wrong decision.",
        TABLE,
        (("NUMERIC_KS_P_BELOW = 0.05 ", "NUMERIC_KS_P_BELOW = 0.049999999999999996 "),),
    ),
    Bad(
        "requires two criteria instead of one",
        "A seasonal drift that only one statistic detects is never found.",
        TABLE,
        (("NUMERIC_SEASONAL_MIN_VOTES = 1 ", "NUMERIC_SEASONAL_MIN_VOTES = 2 "),),
    ),
    Bad(
        "omits the seasonal adjustment",
        "Every night differs from every day, so all of them alert.",
        TABLE,
        (('above("wasserstein", "deseasonalized", "null_q90"', 'above("wasserstein", "raw", "null_q90"'),),
    ),
    Bad(
        "swaps the preparations of two statistics",
        "The two thresholds are equal today, but the next version may change one of them.",
        TABLE,
        (
            ('above("wasserstein", "deseasonalized", "null_q90"', 'above("wasserstein", "raw", "null_q90"'),
            (
                '"mean_absolute_difference",\n                "raw",',
                '"mean_absolute_difference",\n                "deseasonalized",',
            ),
        ),
    ),
    Bad(
        "takes seasonal categories for numbers",
        "A statistic of numbers is applied to categories.",
        TABLE,
        (("if samples.is_seasonal and not samples.is_categorical:", "if samples.is_seasonal:"),),
    ),
    Bad(
        "swaps the samples",
        "The season and the null quantiles are computed from the current sample.",
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
        "uses only the beginning of a sample",
        "A drift at the end of a long sample is not found.",
        TABLE,
        ((COMPARE, "    samples = compare(\n        current[:1000],\n        reference,\n"),),
    ),
    Bad(
        "loses the context",
        "Without it the known season is estimated, and the impact of an alert is lost.",
        TABLE,
        (("        context=context,\n", ""),),
    ),
    Bad(
        "loses the name of the feature",
        "The answer is right, but feedback on it cannot be assigned to a feature.",
        TABLE,
        (("        feature=feature,\n", ""),),
    ),
    Bad(
        "reports another version",
        "Feedback on this version is attributed to the previous one.",
        TABLE,
        (("version=VERSION", "version=1"),),
    ),
    Bad(
        "reports another rule",
        "The answer is right, but its evidence is attributed to a rule that did not decide.",
        TABLE,
        (('        "numeric",\n', '        "categorical",\n'),),
    ),
    Bad(
        "continues with an empty sample",
        "Every statistic of an empty sample is NaN, which never exceeds a threshold.",
        TABLE,
        ((UNDECIDED, "    if not samples.reason:\n        pass\n"),),
    ),
    Bad(
        "does not report missing data",
        "A pipeline that delivers no data is reported as 'no drift'.",
        TABLE,
        (
            (
                "return samples.undecided()",
                'return DriftResult(drifted=False, score=0.0, threshold=1.0, test="none")',
            ),
        ),
    ),
    Bad(
        "reports an error as no drift",
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
        "answers with a numpy boolean",
        "numpy's False differs from False for `is`, for JSON and for isinstance.",
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
        "The threshold in the answer is not the one that decided, so the alert cannot be verified.",
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
        "requires more points than available",
        "A new feature has few points, and is not monitored in its first weeks.",
        TABLE,
        ((UNDECIDED, UNDECIDED.replace("samples.reason:", "samples.reason or len(current) < 30:")),),
    ),
    Bad(
        "gives up on large samples",
        "The feature with the most data is no longer monitored.",
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
        "The caller's array is in another order after the call.",
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
        "replaces missing values with zeros",
        "The NaN values of a failed sensor become zeros, in the caller's array.",
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
        "lets the first value decide",
        "The first value of a sample without times has no meaning.",
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
        "It alerts for millimeters but not for meters.",
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
        "writes a file",
        "Files of a policy fill the disk, and may leak data.",
        "dialect",
        ((UNDECIDED, '    print(feature, file=open("/tmp/drifts", "a"))\n' + UNDECIDED),),
        behind=TABLE,
    ),
    Bad(
        "opens a socket",
        "Sending a sample elsewhere leaks customer data.",
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
        "leaves a thread behind",
        "Each call leaves one more thread, until memory is exhausted.",
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
        "has another signature",
        "A call without a feature uses the rules of a feature named 'all'.",
        "signature",
        (('feature="", current_times', 'feature="all", current_times'),),
    ),
)
