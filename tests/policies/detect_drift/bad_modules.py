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
        "asks for a p-value from above",
        "Above for below: every quiet feature alarms, and no drift does.",
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
        "A p-value of exactly the threshold decides otherwise than the decisions say.",
        TABLE,
        (("NUMERIC_KS_P_BELOW = 0.05 ", "NUMERIC_KS_P_BELOW = 0.049999999999999996 "),),
    ),
    Bad(
        "asks for both where one is enough",
        "A seasonal drift that shows in one statistic alone is never found.",
        TABLE,
        (("NUMERIC_SEASONAL_MIN_VOTES = 1 ", "NUMERIC_SEASONAL_MIN_VOTES = 2 "),),
    ),
    Bad(
        "forgets to take the season out",
        "Every night drifts from every day.",
        TABLE,
        (('above("wasserstein", "deseasonalized", "null_q90"', 'above("wasserstein", "raw", "null_q90"'),),
    ),
    Bad(
        "measures seasonal features by two the other way round",
        "Two thresholds that are equal today are two names; the next version moves one of them.",
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
        "takes seasonal categories for numbers",
        "Roughness of letters: the rule of numbers is asked first.",
        TABLE,
        (("if samples.is_seasonal and not samples.is_categorical:", "if samples.is_seasonal:"),),
    ),
    Bad(
        "swaps the samples",
        "The season and the own windows are those of the sample under suspicion.",
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
        "looks at the beginning alone",
        "What drifts at the end of a long sample is not seen.",
        TABLE,
        ((COMPARE, "    samples = compare(\n        current[:1000],\n        reference,\n"),),
    ),
    Bad(
        "loses the context",
        "Without it the season that the caller knows is guessed, and the impact of an alert is lost.",
        TABLE,
        (("        context=context,\n", ""),),
    ),
    Bad(
        "loses the name of the feature",
        "The answer is right and belongs to nobody: feedback on it teaches nothing.",
        TABLE,
        (("        feature=feature,\n", ""),),
    ),
    Bad(
        "says another version",
        "Feedback on this version is counted against the one before.",
        TABLE,
        (("version=VERSION", "version=1"),),
    ),
    Bad(
        "says another rule",
        "The right answer under the wrong id: evidence goes to a rule that never decided.",
        TABLE,
        (('        "numeric",\n', '        "categorical",\n'),),
    ),
    Bad(
        "goes on where nothing can be compared",
        "Of an empty sample every statistic is NaN, and NaN is below no threshold: no drift.",
        TABLE,
        ((UNDECIDED, "    if not samples.reason:\n        pass\n"),),
    ),
    Bad(
        "is quiet about missing data",
        "A pipeline that delivers nothing at all reads as: no drift.",
        TABLE,
        (
            (
                "return samples.undecided()",
                'return DriftResult(drifted=False, score=0.0, threshold=1.0, test="none")',
            ),
        ),
    ),
    Bad(
        "takes an error for no drift",
        "A column of the wrong type is monitored for months and never drifts.",
        "refuses wrong types",
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
        "answers with a truth of numpy",
        "numpy's False is not False: `is False`, JSON and isinstance all say otherwise.",
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
        "tells another threshold",
        "The threshold in the answer is not the one that decided; nobody can check the alarm.",
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
        "needs more points than there are",
        "A new feature has few; the monitor is silent in its first weeks without saying so.",
        TABLE,
        ((UNDECIDED, UNDECIDED.replace("samples.reason:", "samples.reason or len(current) < 30:")),),
    ),
    Bad(
        "gives up on large samples",
        "The busiest feature is the one that is no longer watched.",
        "finds a shift in large samples in time",
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
        "compares every two points",
        "A hundred thousand points are a minute's work for the policy of a feature that comes every second.",
        "finds a shift in large samples in time",
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
        "sorts what it was given",
        "The caller's array is in another order when the policy has answered.",
        "leaves its arguments alone",
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
        "fills what is missing with zeros",
        "Where a sensor fails, its column of NaN becomes a column of zeros, in the caller's own array.",
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
        "What comes first in a sample without times says nothing.",
        "forgets the order of current",
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
        "asks by the unit of a number",
        "In millimetres it drifts, in metres it does not.",
        "is blind to unit and origin",
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
        "writes a note to a file",
        "What a policy leaves on a disk fills it, and is read by nobody's leave.",
        "dialect",
        ((UNDECIDED, '    print(feature, file=open("/tmp/drifts", "a"))\n' + UNDECIDED),),
        behind=TABLE,
    ),
    Bad(
        "opens a socket of the interpreter",
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
        "leaves a thread behind",
        "Each call leaves one more, until the program has no memory.",
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
        "is called otherwise",
        "Who leaves the feature out is answered by the rules of a feature named all.",
        "signature",
        (('feature="", current_times', 'feature="all", current_times'),),
    ),
)
