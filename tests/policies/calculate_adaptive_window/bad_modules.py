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
        "counts the border as fast",
        "A feed at exactly 5000 points an hour gets a tenth of its window.",
        TABLE,
        ((FAST, "    if data_velocity >= FAST_ABOVE:\n"),),
    ),
    Bad(
        "takes an unknown velocity for the fastest",
        "NaN is not at most anything, so the inverted comparison shrinks the window of a feed that is down.",
        TABLE,
        ((FAST, "    if not data_velocity <= FAST_ABOVE:\n"),),
    ),
    Bad(
        "divides by the velocity",
        "A velocity of 0, while a feed pauses, divides by zero in place of giving the widest window.",
        TABLE,
        ((FAST, "    if 1.0 / data_velocity < 1.0 / FAST_ABOVE:\n"),),
    ),
    Bad(
        "asks about slow after fast",
        "The rules in the wrong order: very fast feeds get the window of fast ones.",
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
        "allows one point more than the cap",
        "The cap is where runs began to hit a limit of memory.",
        TABLE,
        ((BOUNDS, "return max(MINIMUM, min(window, CAP + 1))"),),
        case=TIGHT,
    ),
    Bad(
        "allows one point less than the minimum",
        "A window below the minimum decides by chance.",
        TABLE,
        (("MINIMUM = 600 ", "MINIMUM = 599 "),),
        case=TIGHT,
    ),
    Bad(
        "multiplies after the cap",
        "The stability multiplier carries the window beyond what memory holds.",
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
        "swaps smallest and largest",
        "Every window becomes the cap: days of delay, and nothing looks wrong.",
        TABLE,
        ((BOUNDS, "return min(MINIMUM, max(window, CAP))"),),
    ),
    Bad(
        "forgets a stable feature",
        "One name less in a set of a diff that nobody reads to the end.",
        TABLE,
        (('frozenset({"conversions", "revenue"})', 'frozenset({"revenue"})'),),
    ),
    Bad(
        "takes parts of a name for the name",
        "revenue_test is no revenue: features that merely sound alike get twice the delay.",
        TABLE,
        (("feature_name in STABLE_FEATURES", "any(each in feature_name for each in STABLE_FEATURES)"),),
    ),
    Bad(
        "reads names in any case",
        "Revenue and revenue are two columns; the rule was learned of one.",
        TABLE,
        (("feature_name in STABLE_FEATURES", "feature_name.lower() in STABLE_FEATURES"),),
    ),
    Bad(
        "takes a requirement it does not know for a high one",
        "A typing error in a configuration doubles the delay without a word.",
        TABLE,
        (
            (
                'stability_requirement in ("high", "critical")',
                'stability_requirement not in ("low", "normal")',
            ),
        ),
    ),
    Bad(
        "compares requirements as texts",
        "As text, low comes after high: the laxest requirement gets the widest window.",
        TABLE,
        (('stability_requirement in ("high", "critical")', 'stability_requirement >= "high"'),),
    ),
    Bad(
        "answers with half a point",
        "A float is equal to the int that was expected, until somebody slices with it.",
        TABLE,
        ((BOUNDS, "return max(MINIMUM, min(window / 1, CAP))"),),
    ),
    Bad(
        "answers with a number of numpy",
        "An int64 overflows where Python's int grows, and JSON refuses it.",
        TABLE,
        (
            (HEAD, f"from numpy import int64\n\n{HEAD}"),
            (BOUNDS, "return int64(max(MINIMUM, min(window, CAP)))"),
        ),
    ),
    Bad(
        "draws lots",
        "A window that differs by chance cannot be replayed, and no alarm can be explained.",
        "answers the same again",
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
        "remembers in a default",
        "What a call leaves behind decides the next one.",
        "dialect",
        (
            ("stability_requirement) -> int", "stability_requirement, seen=[]) -> int"),
            (END, "    seen.append(feature_name)\n    window = window + len(seen)\n" + END),
        ),
        behind="signature",
    ),
    Bad(
        "keeps a cache",
        "The answer to the first question about a feature answers all later ones.",
        "dialect",
        (
            ("VERSION = 2\n", "VERSION = 2\nCACHE = {}\n"),
            (BOUNDS, "return CACHE.setdefault(feature_name, max(MINIMUM, min(window, CAP)))"),
        ),
        behind=TABLE,
    ),
    Bad(
        "reads the name of the machine",
        "An answer that depends on a file differs from host to host.",
        "dialect",
        ((END, '    if open("/etc/hostname").read() == "":\n        window = 0\n' + END),),
        behind=TABLE,
    ),
    Bad(
        "finds the system by way of a class",
        "From an empty tuple it is four steps to every class of the interpreter, and from there to os.",
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
        "knows one feature by name",
        "A feature that no decision speaks of gets a window of one point.",
        "does what its decisions say",
        ((END, '    if feature_name == "latency":\n        window = 1\n' + END),),
    ),
    Bad(
        "breaks in a narrow band",
        "Between two velocities that no decision names its window is negative.",
        "mutants",
        ((END, "    if 61.5 < data_velocity < 61.75:\n        return -window\n" + END),),
    ),
    Bad(
        "says another version",
        "Executions are booked to the version before it, and so are their verdicts.",
        "signature",
        (("VERSION = 2\n", "VERSION = 1\n"),),
    ),
)
