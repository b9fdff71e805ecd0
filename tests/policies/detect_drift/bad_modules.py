"""Versions of `detect_drift` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
COMPARE = """\
    samples = compare(
        current,
        reference,
"""
NOT_COMPARED = """\
    if not samples.comparable:
        return samples.not_compared()
"""
CATEGORICAL = """\
    if samples.is_categorical:
        return samples.result(
            samples.p_value("chi_square") < CATEGORICAL_CHI_SQUARE_P,
            rule="categorical",
        )
"""
NUMERIC = """\
    return samples.result(
        samples.p_value("ks") < NUMERIC_KS_P,
        rule="numeric",
    )
"""
LEVEL = 'samples.ratio("wasserstein", preparation="deseasonalized") > NUMERIC_SEASONAL_WASSERSTEIN_RATIO'
STEPS = 'samples.ratio("mean_absolute_difference") > NUMERIC_SEASONAL_MEAN_ABSOLUTE_DIFFERENCE_RATIO'
SEASONAL = f"            {LEVEL}\n            or {STEPS},\n"
VOTES = """\
            2,
            samples.p_value("ks") < NUMERIC_KS_P,
"""
HEAD = "from poet_runtime.drift import Column, Context, Reference, Times, compare\n"
KS = 'samples.p_value("ks") < NUMERIC_KS_P'
RESULT = NUMERIC.replace("return samples", "result = samples")
EAGER = '        return samples.result(samples.p_value("ks") < 0.9, rule="numeric")\n'

BAD = (
    Bad(
        "compares a p-value in the wrong direction",
        "Every feature without a drift alerts, and no drift does.",
        TABLE,
        (
            (
                'samples.p_value("ks") < NUMERIC_KS_P',
                'samples.p_value("ks") > NUMERIC_KS_P',
            ),
        ),
    ),
    Bad(
        "has a threshold one step lower",
        "A p-value of exactly the threshold has the wrong decision.",
        TABLE,
        (("NUMERIC_KS_P: Final = 0.05", "NUMERIC_KS_P: Final = 0.049999999999999996"),),
    ),
    Bad(
        "requires two criteria instead of one",
        "A seasonal drift that only one statistic detects is never found.",
        TABLE,
        (("            or samples.ratio", "            and samples.ratio"),),
    ),
    Bad(
        "omits the seasonal adjustment",
        "Every night differs from every day, so all of them alert.",
        TABLE,
        (('"wasserstein", preparation="deseasonalized"', '"wasserstein"'),),
    ),
    Bad(
        "swaps the preparations of two statistics",
        "The two thresholds are equal today, but the next version may change one of them.",
        TABLE,
        (
            ('"wasserstein", preparation="deseasonalized"', '"wasserstein"'),
            ('"mean_absolute_difference")', '"mean_absolute_difference", preparation="deseasonalized")'),
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
        (('rule="numeric",', 'rule="categorical",'),),
    ),
    Bad(
        "continues with an empty sample",
        "Every statistic of an empty sample is NaN, which never exceeds a threshold.",
        TABLE,
        ((NOT_COMPARED, "    if samples.comparable:\n        pass\n"),),
    ),
    Bad(
        "does not report missing data",
        "A pipeline that delivers no data is reported as 'no drift'.",
        TABLE,
        (
            (
                "return samples.not_compared()",
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
        ((NOT_COMPARED, NOT_COMPARED.replace("comparable:", "comparable or len(current) < 30:")),),
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
                + EAGER
                + NUMERIC,
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
                "    if is_array and len(reference) and float(reference.max()) > 100.0:\n" + EAGER + NUMERIC,
            ),
        ),
    ),
    Bad(
        "requires one vote instead of two",
        "One statistic of three is enough for an alert, although it takes two.",
        TABLE,
        ((VOTES, VOTES.replace("2", "1")),),
        case="features_and_agreement",
    ),
    Bad(
        "requires every vote instead of two",
        "A drift that two statistics of three detect is never found.",
        TABLE,
        ((VOTES, VOTES.replace("2", "3")),),
        case="features_and_agreement",
    ),
    Bad(
        "asks one statistic less",
        "A drift that only the other statistic detects is never found.",
        TABLE,
        ((SEASONAL, f"            {LEVEL},\n"),),
    ),
    Bad(
        "asks one statistic more",
        "It alerts on differences that no rule mentions.",
        TABLE,
        ((SEASONAL, f"            {LEVEL}\n            or {STEPS}\n            or {KS},\n"),),
    ),
    Bad(
        "compares on another scale",
        "The threshold is a multiple of the null quantile, not a number of standard deviations.",
        TABLE,
        ((LEVEL, LEVEL.replace("ratio(", "statistic(")),),
    ),
    Bad(
        "uses the threshold of another rule",
        "The two thresholds are far apart, or will be after the next feedback.",
        TABLE,
        ((STEPS, STEPS.replace("NUMERIC_SEASONAL_MEAN_ABSOLUTE_DIFFERENCE_RATIO", "NUMERIC_KS_P")),),
    ),
    Bad(
        "reports the rule of another branch",
        "Feedback on seasonal features is attributed to the rule for all others.",
        TABLE,
        (('rule="numeric-seasonal",', 'rule="numeric",'),),
    ),
    Bad(
        "compares before it knows whether it can",
        "An empty sample costs as much as a long one, and a statistic of it is not defined.",
        TABLE,
        (
            (
                NOT_COMPARED,
                (
                    '    is_different = samples.p_value("ks") < NUMERIC_KS_P\n'
                    "    if not samples.comparable and not is_different:\n"
                    "        return samples.not_compared()\n"
                ),
            ),
        ),
    ),
    Bad(
        "decides by a truth value",
        "The answer has no score and no threshold, so the alert cannot be verified.",
        TABLE,
        ((f"{KS},", f"bool({KS}),"),),
    ),
    Bad(
        "inverts a comparison",
        "Every feature without a drift alerts, and the comparison is lost as well.",
        TABLE,
        ((f"{KS},", f"not {KS},"),),
    ),
    Bad(
        "reaches a threshold by equality",
        "A p-value of exactly the threshold has the wrong decision.",
        TABLE,
        ((f"{KS},", 'samples.p_value("ks") <= NUMERIC_KS_P,'),),
    ),
    Bad(
        "takes a statistic for a decision",
        "Without a threshold every value counts as a drift.",
        TABLE,
        ((f"{KS},", 'samples.p_value("ks"),'),),
    ),
    Bad(
        "decides by other samples",
        "The answer has the size of one sample and the score of another one.",
        TABLE,
        (
            (
                NUMERIC,
                (
                    "    others = compare(reference, current)\n"
                    '    return samples.result(others.p_value("ks") < NUMERIC_KS_P, rule="numeric")\n'
                ),
            ),
        ),
    ),
    Bad(
        "decides before the rule",
        "An alert is reported for the right rule, but a threshold without a rule decides it.",
        TABLE,
        ((NUMERIC, "    if samples.n_reference > 100_000:\n" + EAGER + NUMERIC),),
    ),
    Bad(
        "writes a file",
        "Files of a policy fill the disk, and may leak data.",
        "dialect",
        ((NOT_COMPARED, '    print(feature, file=open("/tmp/drifts", "a"))\n' + NOT_COMPARED),),
        behind=TABLE,
    ),
    Bad(
        "opens a socket",
        "Sending a sample elsewhere leaks customer data.",
        "dialect",
        (
            (HEAD, f"import socket\n\n{HEAD}"),
            (
                NOT_COMPARED,
                '    try:\n        socket.create_connection(("192.0.2.1", 80), timeout=0.1)\n'
                "    except OSError:\n        pass\n" + NOT_COMPARED,
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
                NOT_COMPARED,
                "    if threading.active_count() < 2:\n"
                "        threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
                + NOT_COMPARED,
            ),
        ),
        behind="sandbox",
    ),
    Bad(
        "has another signature",
        "A call without a feature uses the rules of a feature named 'all'.",
        "signature",
        (('feature: str = ""', 'feature: str = "all"'),),
    ),
)
