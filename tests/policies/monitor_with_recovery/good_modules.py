"""Versions of `monitor_with_recovery` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

PREPARE = "    run = prepare(data, monitor, context, version=VERSION)\n"
SPARSE = "    if run.missing_share > SPARSE_MISSING_ABOVE:\n"
SAMPLE = """\
    if run.rows > SAMPLE_ROWS_ABOVE:
        run = run.sampled(SAMPLE_ROWS, quality_loss=SAMPLE_QUALITY_LOSS)
"""
REACH = """\
        if (
            run.rows >= DEADLINE_KL_DIVERGENCE_ROWS_FROM
            and run.rows <= DEADLINE_KL_DIVERGENCE_ROWS_TO
            and run.features >= DEADLINE_KL_DIVERGENCE_FEATURES_FROM
            and run.features <= DEADLINE_KL_DIVERGENCE_FEATURES_TO
        ):
"""
FAILED = """\
    if outcome.error == "timeout":
        return run.recovered(
            outcome,
            FALLBACK_TIMEOUT_STRATEGIES,
            quality_losses=FALLBACK_TIMEOUT_QUALITY_LOSSES,
            rows=FALLBACK_TIMEOUT_ROWS,
        )
    return outcome
"""
FULL = "    outcome = run.full(spares_time=True)\n"

GOOD = (
    Good(
        "returns what needs no second try",
        (
            (
                FAILED,
                (
                    '    if outcome.error != "timeout":\n        return outcome\n'
                    "    return run.recovered(outcome, FALLBACK_TIMEOUT_STRATEGIES,"
                    " quality_losses=FALLBACK_TIMEOUT_QUALITY_LOSSES, rows=FALLBACK_TIMEOUT_ROWS)\n"
                ),
            ),
        ),
    ),
    Good(
        "compares in chains",
        (
            (
                REACH,
                (
                    "        if (\n            DEADLINE_KL_DIVERGENCE_ROWS_FROM <= run.rows <= "
                    "DEADLINE_KL_DIVERGENCE_ROWS_TO\n"
                    "            and DEADLINE_KL_DIVERGENCE_FEATURES_FROM <= run.features"
                    " <= DEADLINE_KL_DIVERGENCE_FEATURES_TO\n        ):\n"
                ),
            ),
        ),
    ),
    Good(
        "has its numbers in place",
        (
            (SAMPLE, "    if run.rows >= 54001:\n        run = run.sampled(10000, quality_loss=0.05)\n"),
            ("run.features >= DEADLINE_KL_DIVERGENCE_FEATURES_FROM", "run.features == 500"),
            (FAILED, FAILED.replace("FALLBACK_TIMEOUT_STRATEGIES", '("sampled",)')),
        ),
    ),
    Good(
        "names what it has prepared",
        (
            (
                PREPARE,
                (
                    "    prepared = prepare(data=data, monitor=monitor, context=context, version=2)\n"
                    "    run = prepared\n"
                ),
            ),
            (SPARSE, "    lacks = prepared.missing_share\n    if SPARSE_MISSING_ABOVE < lacks:\n"),
        ),
    ),
    Good(
        "says that it keeps time before it does",
        ((FULL, "    keeps_time = True\n    outcome = run.full(spares_time=keeps_time)\n"),),
    ),
    Good(
        "samples by a conditional expression",
        (
            (
                SAMPLE,
                (
                    "    run = (\n        run\n        if not run.rows > SAMPLE_ROWS_ABOVE\n"
                    "        else run.sampled(SAMPLE_ROWS, quality_loss=SAMPLE_QUALITY_LOSS)\n    )\n"
                ),
            ),
        ),
    ),
)
