"""Versions of `monitor_with_recovery` that say the same in other words."""

from tests.variants import Good

__all__ = ["GOOD"]

PREPARE = "    run = prepare_run(data, monitor, context, version=VERSION)\n"
SPARSE = "    if run.missing_share > SPARSE_MISSING_ABOVE:\n"
SAMPLE = """\
    if run.rows > SAMPLE_ROWS_ABOVE:
        run = run.sampled(SAMPLE_ROWS, quality_loss=SAMPLE_QUALITY_LOSS)
"""
DEADLINE = """\
    if (
        run.computation == "kl_divergence"
        and DEADLINE_KL_DIVERGENCE_MIN_ROWS <= run.rows <= DEADLINE_KL_DIVERGENCE_MAX_ROWS
        and DEADLINE_KL_DIVERGENCE_MIN_FEATURES <= run.features <= DEADLINE_KL_DIVERGENCE_MAX_FEATURES
    ):
        run = run.with_deadline(
            DEADLINE_KL_DIVERGENCE_COEFFICIENT * run.rows**DEADLINE_KL_DIVERGENCE_ROWS_EXPONENT
        )
"""
FAILED = """\
    if outcome.error == "timeout":
        outcome = run.recover(
            outcome,
            ("sampled", FALLBACK_TIMEOUT_SAMPLED_QUALITY_LOSS),
            sample_rows=FALLBACK_TIMEOUT_SAMPLE_ROWS,
        )
    return outcome
"""
FULL = "    outcome = run.execute(reserve_time=True)\n"

GOOD = (
    Good(
        "returns what needs no second try",
        (
            (
                FAILED,
                (
                    '    if outcome.error != "timeout":\n        return outcome\n'
                    '    return run.recover(outcome, ("sampled", FALLBACK_TIMEOUT_SAMPLED_QUALITY_LOSS),'
                    " sample_rows=FALLBACK_TIMEOUT_SAMPLE_ROWS)\n"
                ),
            ),
        ),
    ),
    Good(
        "compares in chains",
        (
            (
                "DEADLINE_KL_DIVERGENCE_MIN_ROWS <= run.rows <= DEADLINE_KL_DIVERGENCE_MAX_ROWS",
                "DEADLINE_KL_DIVERGENCE_MAX_ROWS >= run.rows >= DEADLINE_KL_DIVERGENCE_MIN_ROWS",
            ),
        ),
    ),
    Good(
        "names the deadline before it is set",
        (
            (
                DEADLINE,
                (
                    '    if run.computation == "kl_divergence" and 5000 <= run.rows < 100001:\n'
                    "        if 500 == run.features:\n"
                    "            seconds = run.rows**DEADLINE_KL_DIVERGENCE_ROWS_EXPONENT * 5.06e-5\n"
                    "            run = run.with_deadline(seconds)\n"
                ),
            ),
        ),
    ),
    Good(
        "has its numbers in place",
        (
            (SAMPLE, "    if run.rows >= 54001:\n        run = run.sampled(10000, quality_loss=0.05)\n"),
            ("DEADLINE_KL_DIVERGENCE_MIN_FEATURES <= run.features", "500 == run.features"),
            (FAILED, FAILED.replace("FALLBACK_TIMEOUT_SAMPLE_ROWS", "10000")),
        ),
    ),
    Good(
        "names what it has prepared",
        (
            (
                PREPARE,
                (
                    "    prepared = prepare_run(data=data, monitor=monitor, context=context, version=2)\n"
                    "    run = prepared\n"
                ),
            ),
            (SPARSE, "    lacks = prepared.missing_share\n    if SPARSE_MISSING_ABOVE < lacks:\n"),
        ),
    ),
    Good(
        "says that it keeps time before it does",
        ((FULL, "    keeps_time = True\n    outcome = run.execute(reserve_time=keeps_time)\n"),),
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
