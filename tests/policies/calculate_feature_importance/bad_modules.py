"""Versions of `calculate_feature_importance` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
BASE = '    base = float(field(context, "base_importance", BASE_IMPORTANCE))\n'
RETURN = "return min(max(importance, 0.1 * base), 10.0 * base)"
SEASON = 'field(context, "time_of_year") == TIME_OF_YEAR_BLACK_FRIDAY_X3_VALUE'
COMPANY = 'company = names(field(context, "other_features"))'
NEVER = "if feature_name in NEVER_MATTERS_FEATURES:"
HEAD = "from poet_runtime.context import field, names\n"

BAD = (
    Bad(
        "iterates over a text of other features",
        "One other feature, passed as a text, counts if the text contains the name in a rule.",
        TABLE,
        ((COMPANY, 'company = field(context, "other_features", ())'),),
    ),
    Bad(
        "fails without other features",
        "The policy raises without other_features, and the alert of the most important feature is lost.",
        TABLE,
        ((COMPANY, 'company = frozenset(field(context, "other_features"))'),),
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
        ((BASE, '    base = float(field(context, "base_importance") or BASE_IMPORTANCE)\n'),),
    ),
    Bad(
        "returns an integer",
        "An int from the caller is returned as an int, and a column of floats breaks.",
        TABLE,
        (
            (BASE, '    base = field(context, "base_importance", BASE_IMPORTANCE)\n'),
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
                'str(field(context, "time_of_year")).startswith(TIME_OF_YEAR_BLACK_FRIDAY_X3_VALUE)',
            ),
        ),
    ),
    Bad(
        "applies the season to other features",
        "With the wrong `in`, the season counts for every feature that is monitored next to price.",
        TABLE,
        (
            (
                "feature_name in TIME_OF_YEAR_BLACK_FRIDAY_X3_FEATURES",
                "bool(({feature_name} | company) & TIME_OF_YEAR_BLACK_FRIDAY_X3_FEATURES)",
            ),
        ),
    ),
    Bad(
        "applies an interaction in both directions",
        "A rule for price with day_of_week is not one for day_of_week with price.",
        TABLE,
        (
            (
                (
                    "if feature_name == PRICE_WITH_DAY_OF_WEEK_FEATURE and "
                    "PRICE_WITH_DAY_OF_WEEK_OTHER in company:"
                ),
                (
                    "if {PRICE_WITH_DAY_OF_WEEK_FEATURE, PRICE_WITH_DAY_OF_WEEK_OTHER} <= company | "
                    "{feature_name}:"
                ),
            ),
        ),
    ),
    Bad(
        "stops at the first rule that holds",
        "Rules of importance multiply; as a chain of elif the second is dropped.",
        TABLE,
        (
            (
                "    if (\n        feature_name in TIME_OF_YEAR",
                "    elif (\n        feature_name in TIME_OF_YEAR",
            ),
            ("    # time_of_year-black_friday-x3\n", ""),
        ),
    ),
    Bad(
        "ignores the case of names",
        "Price and price are two different columns.",
        TABLE,
        ((NEVER, "if feature_name.lower() in NEVER_MATTERS_FEATURES:"),),
    ),
    Bad(
        "depends on the order of other features",
        "Only the first of the other features counts, and their order depends on the caller.",
        TABLE,
        (
            (
                COMPANY,
                (
                    'other = field(context, "other_features")\n'
                    "    company = names(other)\n"
                    "    if isinstance(other, list) and len(other) > 2:\n"
                    "        company = names(other[0])"
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
                    '        base = float(field(context, "base_importance", BASE_IMPORTANCE))\n'
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
                f"        and {SEASON}",
                f"        and isinstance(context, dict) and {SEASON}",
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
                "    every = sorted(company)\n"
                "    if len(every) > 100 and any(sum(one == two for two in every) > 1 for one in every):\n"
                "        company = ()",
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
