"""Versions of `calculate_adaptive_window` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
TIGHT = "tight_bounds"
FAST = "    if data_velocity > FAST_ABOVE:\n"
STABLE = 'if stability_requirement in ("high", "critical") or feature_name in STABLE_FEATURES:'
BOUNDS = "return max(MINIMUM, min(window, CAP))"
HEAD = '__all__ = ["calculate_adaptive_window"]\n'
END = "    # bounds\n"

BAD = (
    Bad(
        "counts the threshold as fast",
        "A feed at exactly 5000 points per hour gets a tenth of its window.",
        TABLE,
        ((FAST, "    if data_velocity >= FAST_ABOVE:\n"),),
    ),
    Bad(
        "treats an unknown velocity as the fastest",
        "A comparison with NaN is always false, so the inverted test shrinks the window of a failed feed.",
        TABLE,
        ((FAST, "    if not data_velocity <= FAST_ABOVE:\n"),),
    ),
    Bad(
        "divides by the velocity",
        "A feed that pauses has a velocity of 0: the policy raises instead of returning the widest window.",
        TABLE,
        ((FAST, "    if 1.0 / data_velocity < 1.0 / FAST_ABOVE:\n"),),
    ),
    Bad(
        "checks for very fast feeds before fast ones",
        "The rules are in the wrong order: very fast feeds get the window of fast ones.",
        TABLE,
        (
            ("    if data_velocity > VERY_FAST_ABOVE:\n        window = VERY_FAST_WINDOW\n", ""),
            (
                FAST,
                "    if data_velocity > VERY_FAST_ABOVE:\n        window = VERY_FAST_WINDOW\n" + FAST,
            ),
        ),
    ),
    Bad(
        "exceeds the cap by one point",
        "At the cap, runs began to hit a memory limit.",
        TABLE,
        ((BOUNDS, "return max(MINIMUM, min(window, CAP + 1))"),),
        case=TIGHT,
    ),
    Bad(
        "falls below the minimum by one point",
        "A window below the minimum is too small for a reliable decision.",
        TABLE,
        (("MINIMUM = 600 ", "MINIMUM = 599 "),),
        case=TIGHT,
    ),
    Bad(
        "multiplies after applying the cap",
        "The stability multiplier raises the window above what fits in memory.",
        TABLE,
        (
            ("        window = window * STABLE_MULTIPLIER\n", "        pass\n"),
            (
                BOUNDS,
                (
                    f"window = max(MINIMUM, min(window, CAP))\n    {STABLE}\n"
                    "        window = window * STABLE_MULTIPLIER\n    return window"
                ),
            ),
        ),
        case=TIGHT,
    ),
    Bad(
        "swaps minimum and maximum",
        "Every window becomes the cap: days of delay, without any visible error.",
        TABLE,
        ((BOUNDS, "return min(MINIMUM, max(window, CAP))"),),
    ),
    Bad(
        "omits a stable feature",
        "A name is missing from a set, in a diff that is too long to review carefully.",
        TABLE,
        (('frozenset({"conversions", "revenue"})', 'frozenset({"revenue"})'),),
    ),
    Bad(
        "matches parts of feature names",
        "revenue_test is not revenue, but similar names would get twice the delay.",
        TABLE,
        (("feature_name in STABLE_FEATURES", "any(each in feature_name for each in STABLE_FEATURES)"),),
    ),
    Bad(
        "ignores the case of feature names",
        "Revenue and revenue are two columns, and the rule was learned for one.",
        TABLE,
        (("feature_name in STABLE_FEATURES", "feature_name.lower() in STABLE_FEATURES"),),
    ),
    Bad(
        "treats an unknown requirement as high",
        "A typo in a configuration silently doubles the delay.",
        TABLE,
        (
            (
                'stability_requirement in ("high", "critical")',
                'stability_requirement not in ("low", "normal")',
            ),
        ),
    ),
    Bad(
        "compares requirements as text",
        "In alphabetical order, low comes after high, so the weakest requirement gets the widest window.",
        TABLE,
        (('stability_requirement in ("high", "critical")', 'stability_requirement >= "high"'),),
    ),
    Bad(
        "returns a float",
        "A float equals the expected int until it is used in a slice.",
        TABLE,
        ((BOUNDS, "return max(MINIMUM, min(window / 1, CAP))"),),
    ),
    Bad(
        "returns a numpy integer",
        "An int64 overflows where Python's int grows, and JSON cannot encode it.",
        TABLE,
        (
            (HEAD, f"from numpy import int64\n\n{HEAD}"),
            (BOUNDS, "return int64(max(MINIMUM, min(window, CAP)))"),
        ),
    ),
    Bad(
        "answers at random",
        "A random window cannot be replayed, and no alert can be explained.",
        "is deterministic",
        (
            (HEAD, f"from scipy.stats import bernoulli\n\n{HEAD}"),
            (
                END,
                "    if data_velocity > 60000.0 and data_velocity < 1e300:\n"
                "        window = window + int(bernoulli.rvs(0.5))\n" + END,
            ),
        ),
    ),
    Bad(
        "keeps state in a default argument",
        "One call influences the next one.",
        "dialect",
        (
            ("stability_requirement) -> int", "stability_requirement, seen=[]) -> int"),
            (END, "    seen.append(feature_name)\n    window = window + len(seen)\n" + END),
        ),
        behind="signature",
    ),
    Bad(
        "keeps a cache",
        "The first answer for a feature is returned for all later calls.",
        "dialect",
        (
            ("VERSION = 2\n", "VERSION = 2\nCACHE = {}\n"),
            (BOUNDS, "return CACHE.setdefault(feature_name, max(MINIMUM, min(window, CAP)))"),
        ),
        behind=TABLE,
    ),
    Bad(
        "reads the name of the host",
        "An answer that depends on a file differs between hosts.",
        "dialect",
        ((END, '    if open("/etc/hostname").read() == "":\n        window = 0\n' + END),),
        behind=TABLE,
    ),
    Bad(
        "reaches os through a class",
        "An empty tuple leads in four steps to every class of the interpreter, and from there to os.",
        "dialect",
        (
            (
                END,
                "    for each in ().__class__.__base__.__subclasses__():\n"
                '        if each.__name__ == "_wrap_close":\n'
                '            each.__init__.__globals__["system"]("true")\n' + END,
            ),
        ),
        behind=TABLE,
    ),
    Bad(
        "special-cases one feature",
        "A feature that no decision mentions gets a window of one point.",
        "follows its decisions",
        ((END, '    if feature_name == "latency":\n        window = 1\n' + END),),
    ),
    Bad(
        "fails in a narrow band",
        "Between two velocities that no decision mentions, the window is negative.",
        "mutants",
        ((END, "    if 61.5 < data_velocity < 61.75:\n        return -window\n" + END),),
    ),
    Bad(
        "reports another version",
        "Executions and their labels would be attributed to the previous version.",
        "signature",
        (("VERSION = 2\n", "VERSION = 1\n"),),
    ),
)
