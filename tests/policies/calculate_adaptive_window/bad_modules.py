"""Versions of `calculate_adaptive_window` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
TIGHT = "tight_bounds"
FAST = "    elif data_velocity > FAST_ABOVE:\n"
VERY_FAST = "    if data_velocity > VERY_FAST_ABOVE:\n        window = VERY_FAST_WINDOW\n"
STABLE = 'if stability_requirement in {"high", "critical"} or feature_name in STABLE_FEATURES:'
BOUNDS = "return min(max(window, MINIMUM), CAP)"
HEAD = '__all__ = ["calculate_adaptive_window"]\n'
END = "    return min(max(window, MINIMUM), CAP)\n"

BAD = (
    Bad(
        "counts the border as fast",
        "A feed at exactly 5000 points an hour gets a tenth of its window.",
        TABLE,
        ((FAST, "    elif data_velocity >= FAST_ABOVE:\n"),),
    ),
    Bad(
        "takes an unknown velocity for the fastest",
        "NaN compares as not small, so the inverted comparison shrinks the window of a feed that is down.",
        TABLE,
        ((FAST, "    elif not data_velocity <= FAST_ABOVE:\n"),),
    ),
    Bad(
        "divides by the velocity",
        "A velocity of 0, while a feed pauses, raises an error instead of returning the largest window.",
        TABLE,
        ((FAST, "    elif 1.0 / data_velocity < 1.0 / FAST_ABOVE:\n"),),
    ),
    Bad(
        "checks the bands in the wrong order",
        "Very fast feeds get the window of fast ones.",
        TABLE,
        (
            (VERY_FAST, ""),
            (
                FAST + "        window = FAST_WINDOW\n",
                (
                    "    if data_velocity > FAST_ABOVE:\n        window = FAST_WINDOW\n"
                    "    elif data_velocity > VERY_FAST_ABOVE:\n        window = VERY_FAST_WINDOW\n"
                ),
            ),
        ),
    ),
    Bad(
        "allows one point more than the cap",
        "The cap is the size at which runs began to exceed the memory limit.",
        TABLE,
        ((BOUNDS, "return min(max(window, MINIMUM), CAP + 1)"),),
        case=TIGHT,
    ),
    Bad(
        "allows one point less than the minimum",
        "A window below the minimum decides by chance.",
        TABLE,
        (("MINIMUM: Final = 600 ", "MINIMUM: Final = 599 "),),
        case=TIGHT,
    ),
    Bad(
        "multiplies after the cap",
        "The stability multiplier increases the window beyond the memory limit.",
        TABLE,
        (
            ("        window *= STABLE_MULTIPLIER\n", "        pass\n"),
            (
                BOUNDS,
                (
                    f"window = min(max(window, MINIMUM), CAP)\n    {STABLE}\n"
                    "        window *= STABLE_MULTIPLIER\n    return window"
                ),
            ),
        ),
        case=TIGHT,
    ),
    Bad(
        "swaps smallest and largest",
        "Every window becomes the cap, which delays alerts by days without an error.",
        TABLE,
        ((BOUNDS, "return max(min(window, MINIMUM), CAP)"),),
    ),
    Bad(
        "forgets a stable feature",
        "A missing name in a set is easily overlooked in a diff.",
        TABLE,
        (('frozenset({"conversions", "revenue"})', 'frozenset({"revenue"})'),),
    ),
    Bad(
        "matches parts of a name",
        "Features with a similar name, such as revenue_test, get twice the delay.",
        TABLE,
        (("feature_name in STABLE_FEATURES", "any(each in feature_name for each in STABLE_FEATURES)"),),
    ),
    Bad(
        "ignores the case of names",
        "Revenue and revenue are two columns, and the rule was learned for one of them.",
        TABLE,
        (("feature_name in STABLE_FEATURES", "feature_name.lower() in STABLE_FEATURES"),),
    ),
    Bad(
        "treats an unknown requirement as high",
        "A typing error in a configuration silently doubles the delay.",
        TABLE,
        (
            (
                'stability_requirement in {"high", "critical"}',
                'stability_requirement not in {"low", "normal"}',
            ),
        ),
    ),
    Bad(
        "compares requirements as texts",
        "As text, low comes after high: the laxest requirement gets the widest window.",
        TABLE,
        (('stability_requirement in {"high", "critical"}', 'stability_requirement >= "high"'),),
    ),
    Bad(
        "answers with a float",
        "A float equals the expected int, but a caller cannot slice with it.",
        TABLE,
        ((BOUNDS, "return min(max(window / 1, MINIMUM), CAP)"),),
    ),
    Bad(
        "answers with a numpy integer",
        "An int64 overflows where Python's int grows, and the json module rejects it.",
        TABLE,
        (
            (HEAD, f"from numpy import int64\n\n{HEAD}"),
            (BOUNDS, "return int64(min(max(window, MINIMUM), CAP))"),
        ),
    ),
    Bad(
        "uses random numbers",
        "A random window cannot be replayed, and no alarm can be explained.",
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
        "keeps state in a default",
        "A call changes the answer to the next one.",
        "dialect",
        (
            ("stability_requirement: str) -> int", "stability_requirement: str, seen=[]) -> int"),
            (END, "    seen.append(feature_name)\n    window = window + len(seen)\n" + END),
        ),
        behind="signature",
    ),
    Bad(
        "keeps a cache",
        "The first answer for a feature is returned for all later calls.",
        "dialect",
        (
            ("VERSION: Final = 2\n", "VERSION: Final = 2\nCACHE: Final = {}\n"),
            (BOUNDS, "return CACHE.setdefault(feature_name, min(max(window, MINIMUM), CAP))"),
        ),
        behind=TABLE,
    ),
    Bad(
        "reads the name of the machine",
        "An answer that depends on a file differs between hosts.",
        "dialect",
        ((END, '    if open("/etc/hostname").read() == "":\n        window = 0\n' + END),),
        behind=TABLE,
    ),
    Bad(
        "reaches the operating system through a class",
        "Four attributes lead from an empty tuple to every class of the interpreter, and from there to os.",
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
        "has a special case for one feature",
        "A feature without a decision gets a window of one point.",
        "follows its decisions",
        ((END, '    if feature_name == "latency":\n        window = 1\n' + END),),
    ),
    Bad(
        "breaks in a narrow band",
        "The window is negative between two velocities that are in no decision.",
        "mutants",
        ((END, "    if 123.1 < 2.0 * data_velocity < 123.6:\n        return -window\n" + END),),
    ),
    Bad(
        "reports another version",
        "Executions and their labels are attributed to the previous version.",
        "signature",
        (("VERSION: Final = 2\n", "VERSION: Final = 1\n"),),
    ),
)
