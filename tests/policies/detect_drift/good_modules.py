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
SEASONAL = "if samples.is_seasonal and not samples.is_categorical:"
NOT_COMPARED = """\
    if not samples.comparable:
        return samples.not_compared()
"""
KS = 'samples.p_value("ks") < NUMERIC_KS_P'
CHI_SQUARE = 'samples.p_value("chi_square") < CATEGORICAL_CHI_SQUARE_P'
LEVEL = 'samples.ratio("wasserstein", preparation="deseasonalized") > NUMERIC_SEASONAL_WASSERSTEIN_RATIO'
STEPS = 'samples.ratio("mean_absolute_difference") > NUMERIC_SEASONAL_MEAN_ABSOLUTE_DIFFERENCE_RATIO'
EITHER = f"            {LEVEL}\n            or {STEPS},\n"
IMPORTS = "Times, compare\n"

GOOD = (
    Good(
        "asks for categories first",
        (
            (CATEGORICAL, ""),
            (f"    {SEASONAL}\n", f"{CATEGORICAL}    if samples.is_seasonal:\n"),
        ),
    ),
    Good(
        "names its arguments and its numbers",
        (
            (
                COMPARE,
                COMPARE.replace("current,", "current=current,").replace("reference,", "reference=reference,"),
            ),
            (f"{KS},", 'decision=samples.p_value(name="ks", preparation="raw") < 0.05,'),
        ),
    ),
    Good(
        "decides at the end",
        (
            (
                CATEGORICAL,
                (
                    '    rule, measure, threshold = "numeric", samples.p_value("ks"), NUMERIC_KS_P\n'
                    '    if samples.is_categorical:\n        rule = "categorical"\n'
                    '        measure, threshold = samples.p_value("chi_square"), CATEGORICAL_CHI_SQUARE_P\n'
                ),
            ),
            (NUMERIC, "    return samples.result(measure < threshold, rule=rule)\n"),
        ),
    ),
    Good(
        "asks whether it can decide",
        (
            (
                NOT_COMPARED,
                "    cannot = bool(samples.reason)\n    if cannot:\n        return samples.not_compared()\n",
            ),
            (SEASONAL, "if not (samples.is_categorical or not samples.is_seasonal):"),
        ),
    ),
    Good(
        "gives its criteria from a tuple",
        (
            (IMPORTS, f"Times, at_least, {IMPORTS[7:]}"),
            (
                NUMERIC,
                (
                    f"    criteria = ({KS},)\n"
                    '    return samples.result(at_least(1, *criteria), rule="numeric")\n'
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
                    f'        return samples.result({KS}, rule="numeric")\n'
                    f'    return samples.result({CHI_SQUARE}, rule="categorical")\n'
                ),
            ),
        ),
    ),
    Good(
        "compares in the other order",
        (
            (EITHER, f"            {STEPS}\n            or {LEVEL},\n"),
            (f"{KS},", 'NUMERIC_KS_P > samples.p_value("ks"),'),
        ),
    ),
    Good(
        "counts one vote",
        (
            (IMPORTS, f"Times, at_least, {IMPORTS[7:]}"),
            (EITHER, f"            at_least(1, {LEVEL}, {STEPS}),\n"),
        ),
    ),
    Good(
        "keeps its comparison in a name",
        (
            (
                NUMERIC,
                f'    is_different = {KS}\n    return samples.result(is_different, rule="numeric")\n',
            ),
        ),
    ),
)
