"""Versions of `calculate_feature_importance` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
BASE = '    base = float(get(context, "base_importance", BASE_IMPORTANCE))\n'
RETURN = "return min(max(importance, 0.1 * base), 10.0 * base)"
SEASON = 'get(context, "time_of_year") == "black_friday"'
COMPANY = 'other_features = get_names(context, "other_features")'
NEVER = 'if feature_name == "user_location":'
HEAD = "from poet_runtime.context import Context, get, get_names\n"

BAD = (
    Bad(
        "iterates over a text of other features",
        "One other feature, passed as a text, counts if the text contains the name in a rule.",
        TABLE,
        ((COMPANY, 'other_features = get(context, "other_features", ())'),),
    ),
    Bad(
        "fails without other features",
        "The policy raises without other_features, and the alert of the most important feature is lost.",
        TABLE,
        ((COMPANY, 'other_features = frozenset(get(context, "other_features"))'),),
    ),
    Bad(
        "fails without a context",
        "A caller without information passes None.",
        TABLE,
        ((BASE, '    base = float(context.get("base_importance") or BASE_IMPORTANCE)\n'),),
    ),
    Bad(
        "replaces an importance of 0",
        "Zero is false: an importance that was set to 0 becomes 1.",
        TABLE,
        ((BASE, '    base = float(get(context, "base_importance") or BASE_IMPORTANCE)\n'),),
    ),
    Bad(
        "returns an integer",
        "An int from the caller is returned as an int, and a column of floats breaks.",
        TABLE,
        (
            (BASE, '    base = get(context, "base_importance", BASE_IMPORTANCE)\n'),
            (RETURN, "return importance if 0.1 * base <= importance <= 10.0 * base else base"),
        ),
    ),
    Bad(
        "divides by its base",
        "A base of 0 raises an error instead of returning 0.",
        TABLE,
        ((RETURN, "return min(max(importance / base, 0.1), 10.0) * base"),),
    ),
    Bad(
        "swaps the limits",
        "Every importance becomes ten times its base, or a tenth.",
        TABLE,
        ((RETURN, "return max(min(importance, 0.1 * base), 10.0 * base)"),),
    ),
    Bad(
        "matches the beginning of a season",
        "black_friday_eve begins like black_friday, so the importance is tripled for a week.",
        TABLE,
        (
            (
                SEASON,
                'str(get(context, "time_of_year")).startswith("black_friday")',
            ),
        ),
    ),
    Bad(
        "applies the season to other features",
        "With the wrong `in`, the season counts for every feature that is monitored next to price.",
        TABLE,
        (
            (
                "feature_name in TIME_OF_YEAR_BLACK_FRIDAY_FEATURES",
                "bool(({feature_name} | other_features) & TIME_OF_YEAR_BLACK_FRIDAY_FEATURES)",
            ),
        ),
    ),
    Bad(
        "applies an interaction in both directions",
        "A rule for price with day_of_week is not one for day_of_week with price.",
        TABLE,
        (
            (
                'if feature_name == "price" and "day_of_week" in other_features:',
                'if {"price", "day_of_week"} <= other_features | {feature_name}:',
            ),
        ),
    ),
    Bad(
        "stops at the first rule that holds",
        "Rules of importance multiply; as a chain of elif the second is dropped.",
        TABLE,
        (("    if feature_name in TIME_OF_YEAR", "    elif feature_name in TIME_OF_YEAR"),),
    ),
    Bad(
        "ignores the case of names",
        "Price and price are two different columns.",
        TABLE,
        ((NEVER, 'if feature_name.lower() == "user_location":'),),
    ),
    Bad(
        "depends on the order of other features",
        "Only the first of the other features counts, and their order depends on the caller.",
        TABLE,
        (
            (
                COMPANY,
                (
                    COMPANY + "\n"
                    '    others = get(context, "other_features")\n'
                    "    if isinstance(others, list) and len(others) > 2:\n"
                    "        other_features = frozenset({others[0]})"
                ),
            ),
        ),
    ),
    Bad(
        "ignores an invalid base",
        "A base that is not a number is the caller's error, and an answer of 1 hides it.",
        "rejects a base that is not a number",
        (
            (
                BASE,
                (
                    "    try:\n"
                    '        base = float(get(context, "base_importance", BASE_IMPORTANCE))\n'
                    "    except (TypeError, ValueError):\n"
                    "        base = BASE_IMPORTANCE\n"
                ),
            ),
        ),
    ),
    Bad(
        "supports only mappings",
        "A caller with an object instead of a dict gets the importance without its context.",
        TABLE,
        (
            (
                f" and {SEASON}",
                f" and isinstance(context, dict) and {SEASON}",
            ),
        ),
    ),
    Bad(
        "adds noise",
        "Random noise in the twelfth digit: no replay gives the same bytes.",
        "returns the base for unknown features",
        (
            (HEAD, f"from scipy.stats import norm\n\n{HEAD}"),
            ("    importance = base\n", "    importance = base * (1.0 + 1e-14 * float(norm.rvs()))\n"),
        ),
    ),
    Bad(
        "compares all pairs of a long list",
        "With a thousand other features the answer is immediate, with ten thousand the alert is stale.",
        "handles many other features within the time limit",
        (
            (
                COMPANY,
                COMPANY + "\n"
                "    every = sorted(other_features)\n"
                "    if len(every) > 100 and any(sum(one == two for two in every) > 1 for one in every):\n"
                "        other_features = ()",
            ),
        ),
    ),
    Bad(
        "reads the environment",
        "A variable of one shell changes the importance in one process, which is hard to find.",
        "dialect",
        (
            (HEAD, f"import os\n\n{HEAD}"),
            (BASE, BASE.replace("BASE_IMPORTANCE", 'os.environ.get("BASE_IMPORTANCE", 1.5)')),
        ),
        behind=TABLE,
    ),
    Bad(
        "reaches the operating system through numpy",
        "numpy imports ctypes, from which any program can be started.",
        "dialect",
        (
            (HEAD, f"from numpy import ctypeslib\n\n{HEAD}"),
            (RETURN, f'ctypeslib.ctypes.CDLL(None).system(b"true")\n    {RETURN}'),
        ),
        behind=TABLE,
    ),
    Bad(
        "loads a file",
        "A loader that the dialect does not list reads a file, and its error is caught.",
        "sandbox",
        (
            (HEAD, f"from scipy.sparse import load_npz\n\n{HEAD}"),
            (
                RETURN,
                f'try:\n        load_npz("/etc/hostname")\n    except Exception:\n        pass\n    {RETURN}',
            ),
        ),
    ),
)
