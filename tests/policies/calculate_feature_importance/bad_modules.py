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
        "takes a text of company letter by letter",
        "One other feature given as a text counts where its letters hold the name that a rule asks for.",
        TABLE,
        ((COMPANY, 'company = field(context, "other_features", ())'),),
    ),
    Bad(
        "fails where nothing is said of company",
        "Without other_features the policy raises, and the alert of the most important feature is lost.",
        TABLE,
        ((COMPANY, 'company = frozenset(field(context, "other_features"))'),),
    ),
    Bad(
        "fails without a context",
        "None is what a caller passes who knows nothing.",
        TABLE,
        ((BASE, '    base = float(context.get("base_importance") or BASE_IMPORTANCE)\n'),),
    ),
    Bad(
        "takes no importance for the usual one",
        "Zero is false: what somebody set to 0 is back at 1.",
        TABLE,
        ((BASE, '    base = float(field(context, "base_importance") or BASE_IMPORTANCE)\n'),),
    ),
    Bad(
        "gives back a whole number",
        "An int from the caller comes back as an int, and what stores floats breaks on the tenth row.",
        TABLE,
        (
            (BASE, '    base = field(context, "base_importance", BASE_IMPORTANCE)\n'),
            (RETURN, "return importance if 0.1 * base <= importance <= 10.0 * base else base"),
        ),
    ),
    Bad(
        "divides by its base",
        "A base of 0 raises in place of giving 0.",
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
        "takes eves for the day",
        "black_friday_eve begins like black_friday; three times the importance, for a week.",
        TABLE,
        (
            (
                SEASON,
                'str(field(context, "time_of_year")).startswith(TIME_OF_YEAR_BLACK_FRIDAY_X3_VALUE)',
            ),
        ),
    ),
    Bad(
        "asks for the season of company",
        "One `in` for another: the season counts for whatever is monitored beside price.",
        TABLE,
        (
            (
                "feature_name in TIME_OF_YEAR_BLACK_FRIDAY_X3_FEATURES",
                "bool(({feature_name} | company) & TIME_OF_YEAR_BLACK_FRIDAY_X3_FEATURES)",
            ),
        ),
    ),
    Bad(
        "lets company work both ways",
        "price with day_of_week says nothing of day_of_week with price.",
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
        "reads names in any case",
        "Price and price are two columns.",
        TABLE,
        ((NEVER, "if feature_name.lower() in NEVER_MATTERS_FEATURES:"),),
    ),
    Bad(
        "cares about the order of company",
        "Only the first of the other features is asked, and which that is depends on who called.",
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
        "takes a wrong base for none",
        "A base that is no number is the caller's error; answering 1 hides it for ever.",
        "refuses a base that is no number",
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
        "knows mappings alone",
        "A caller with an object in place of a dict is told the importance of nothing in particular.",
        TABLE,
        (
            (
                f"        and {SEASON}",
                f"        and isinstance(context, dict) and {SEASON}",
            ),
        ),
    ),
    Bad(
        "shakes a little",
        "Noise in the twelfth digit, drawn anew each time: no replay gives the same bytes.",
        "gives the base of what it does not know",
        (
            (HEAD, f"from scipy.stats import norm\n\n{HEAD}"),
            ("    importance = base\n", "    importance = base * (1.0 + 1e-14 * float(norm.rvs()))\n"),
        ),
    ),
    Bad(
        "compares every two of a long list",
        "A thousand other features answer at once, ten thousand not before the alert is stale.",
        "answers in time in a large company",
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
        "asks the environment",
        "A variable of one shell moves the importance of one process, and nobody finds out which.",
        "dialect",
        (
            (HEAD, f"import os\n\n{HEAD}"),
            (BASE, BASE.replace("BASE_IMPORTANCE", 'os.environ.get("BASE_IMPORTANCE", 1.5)')),
        ),
        behind=TABLE,
    ),
    Bad(
        "finds the system behind numpy",
        "numpy keeps ctypes for its own use, and from there it is one step to any program.",
        "dialect",
        (
            (HEAD, f"from numpy import ctypeslib\n\n{HEAD}"),
            (RETURN, f'ctypeslib.ctypes.CDLL(None).system(b"true")\n    {RETURN}'),
        ),
        behind=TABLE,
    ),
    Bad(
        "loads a table that lies about",
        "A loader that the dialect does not know of reads a file; what it raises is caught.",
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
