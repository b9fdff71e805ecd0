"""Versions of `detect_drift` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

COMPARE = """\
    samples = compare(
        current,
        reference,
        version=VERSION,
        feature=feature,
"""
CATEGORICAL = """\
    # categorical
    if samples.is_categorical:
        return samples.decide(
            "categorical",
            below("chi_square", "raw", "p_value", CATEGORICAL_CHI_SQUARE_P_BELOW),
        )
"""
NUMERIC = """\
    # numeric
    return samples.decide(
        "numeric",
        below("ks", "raw", "p_value", NUMERIC_KS_P_BELOW),
    )
"""
SEASONAL = "if samples.is_seasonal and not samples.is_categorical:"
UNDECIDED = """\
    if samples.reason:
        return samples.undecided()
"""
HEAD = "    # numeric-seasonal\n"

GOOD = (
    Good(
        "asks for categories first",
        ((CATEGORICAL, ""), (HEAD, CATEGORICAL + HEAD), (SEASONAL, "if samples.is_seasonal:")),
    ),
    Good(
        "names its arguments and its numbers",
        (
            (
                COMPARE,
                COMPARE.replace("current,", "current=current,").replace("reference,", "reference=reference,"),
            ),
            ('"p_value", NUMERIC_KS_P_BELOW', '"p_value", 0.05'),
        ),
    ),
    Good(
        "decides at the end",
        (
            (
                CATEGORICAL,
                (
                    '    rule, criterion = "numeric", below("ks", "raw", "p_value", NUMERIC_KS_P_BELOW)\n'
                    '    if samples.is_categorical:\n        rule = "categorical"\n'
                    '        criterion = below("chi_square", "raw", "p_value", '
                    "CATEGORICAL_CHI_SQUARE_P_BELOW)\n"
                ),
            ),
            (NUMERIC, "    return samples.decide(rule, criterion)\n"),
        ),
    ),
    Good(
        "asks whether it can decide",
        (
            (
                UNDECIDED,
                "    cannot = bool(samples.reason)\n    if cannot:\n        return samples.undecided()\n",
            ),
            (SEASONAL, "if not (samples.is_categorical or not samples.is_seasonal):"),
        ),
    ),
    Good(
        "gives its criteria from a tuple",
        (
            (
                NUMERIC,
                (
                    '    criteria = (below("ks", "raw", "p_value", NUMERIC_KS_P_BELOW),)\n'
                    '    return samples.decide("numeric", *criteria, min_votes=1)\n'
                ),
            ),
        ),
    ),
    Good(
        "has branches the other way round",
        (
            (CATEGORICAL, ""),
            (
                NUMERIC,
                (
                    "    if not samples.is_categorical:\n"
                    '        return samples.decide("numeric", below("ks", "raw", "p_value", '
                    "NUMERIC_KS_P_BELOW))\n"
                    '    return samples.decide("categorical",'
                    ' below("chi_square", "raw", "p_value", CATEGORICAL_CHI_SQUARE_P_BELOW))\n'
                ),
            ),
        ),
    ),
)
