"""Versions of `monitor_with_recovery` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
HEAD = "from poet_runtime.recovery import prepare\n"
PREPARE = "    run = prepare(data, monitor, context, version=VERSION)\n"
SPARSE = """\
    # sparse
    if run.missing_share > SPARSE_MISSING_ABOVE:
        run = run.sparse(SPARSE_MISSING_ABOVE, quality_loss=SPARSE_QUALITY_LOSS)
"""
SAMPLE = """\
    # sample
    if run.rows > SAMPLE_ROWS_ABOVE:
        run = run.sampled(SAMPLE_ROWS, quality_loss=SAMPLE_QUALITY_LOSS)
"""
COMPUTATION = "    if run.computation == DEADLINE_KL_DIVERGENCE_COMPUTATION:\n"
FULL = "    outcome = run.full(spares_time=True)\n"
FAILED = '    if outcome.error == "timeout":\n'
END = "    return outcome\n"

BAD = (
    Bad(
        "samples at the border",
        "A table of exactly the largest size that works in full is monitored on a fifth of it.",
        TABLE,
        (("if run.rows > SAMPLE_ROWS_ABOVE:", "if run.rows >= SAMPLE_ROWS_ABOVE:"),),
    ),
    Bad(
        "samples before it looks for gaps",
        "Two rules in the wrong order: what is reported as sparse was a sample, and the losses add up askew.",
        TABLE,
        ((SPARSE, ""), (SAMPLE, SAMPLE + SPARSE)),
    ),
    Bad(
        "mixes up size and sample",
        "The sample is as large as what was too large.",
        TABLE,
        (("run.sampled(SAMPLE_ROWS, ", "run.sampled(SAMPLE_ROWS_ABOVE, "),),
    ),
    Bad(
        "knows no loss of a sample",
        "A fifth of the data passes for all of it.",
        TABLE,
        (("SAMPLE_QUALITY_LOSS = 0.05 ", "SAMPLE_QUALITY_LOSS = 0.0 "),),
    ),
    Bad(
        "gives every work the deadline of one",
        "What takes longer by its nature is killed each time.",
        TABLE,
        ((COMPUTATION, "    if run.computation or DEADLINE_KL_DIVERGENCE_COMPUTATION:\n"),),
    ),
    Bad(
        "takes the beginning of a name for the name",
        "kl_divergence_2 is another work, of which nobody has measured anything.",
        TABLE,
        ((COMPUTATION, "    if run.computation.startswith(DEADLINE_KL_DIVERGENCE_COMPUTATION):\n"),),
    ),
    Bad(
        "begins its deadline a row late",
        "The smallest table that was measured has no deadline.",
        TABLE,
        (("            run.rows >= DEADLINE_KL", "            run.rows > DEADLINE_KL"),),
    ),
    Bad(
        "takes milliseconds for seconds",
        "A deadline a thousand times as long is no deadline.",
        TABLE,
        (("SECONDS = 5.06e-05", "SECONDS = 5.06e-02"),),
    ),
    Bad(
        "forgets how time grows with rows",
        "Fifty microseconds for every table: each run is killed before it begins.",
        TABLE,
        (("                per_rows=DEADLINE_KL_DIVERGENCE_PER_ROWS,\n", ""),),
    ),
    Bad(
        "ignores the deadline",
        "It is computed, and a run that hangs takes the program with it all the same.",
        TABLE,
        (("            run = run.within(", "            late = run.within("),),
    ),
    Bad(
        "keeps no time for a second try",
        "When time is up there is none left for the sample: the fallback is there and never works.",
        TABLE,
        ((FULL, "    outcome = run.full()\n"),),
    ),
    Bad(
        "recovers from everything",
        "A wrong column is tried again on a sample, and the error is told an hour later.",
        TABLE,
        ((FAILED, "    if outcome.error:\n"),),
    ),
    Bad(
        "never recovers",
        "As text, errors are told with a capital letter; the rule is there and holds for nothing.",
        TABLE,
        ((FAILED, '    if outcome.error == "Timeout":\n'),),
    ),
    Bad(
        "tries three times",
        "A monitor that writes, or that calls a service, does so three times.",
        TABLE,
        (
            (
                FULL,
                FULL + "    for attempt in (2, 3):\n"
                '        if outcome.error and outcome.error != "timeout":\n'
                "            outcome = run.full(spares_time=True)\n",
            ),
        ),
    ),
    Bad(
        "runs once to warm up",
        "Every monitor runs twice, and the bill is twice as high.",
        TABLE,
        ((FULL, f"    run.full(spares_time=True)\n{FULL}"),),
    ),
    Bad(
        "makes an outcome of its own",
        "Warnings, rows and duration are lost on the way; nothing can be learned of the run.",
        TABLE,
        (
            (
                END,
                (
                    "    return MonitoringOutcome(\n"
                    "        results=outcome.results, strategy=outcome.strategy,"
                    " error=outcome.error, policy_version=VERSION\n    )\n"
                ),
            ),
        ),
    ),
    Bad(
        "says another version",
        "What people say of this version is counted against the one before.",
        TABLE,
        (("version=VERSION", "version=1"),),
    ),
    Bad(
        "takes an error of the caller for a run",
        "A monitor that is no function is an error in the program, and is told as a full run of nothing.",
        "refuses what is no monitor",
        (
            (
                PREPARE,
                (
                    f"    try:\n    {PREPARE}    except Exception:\n"
                    '        return MonitoringOutcome(results=None, strategy="full")\n'
                ),
            ),
        ),
    ),
    Bad(
        "monitors nothing without a monitor",
        "Without a monitor drift is to be detected; the length of a table is no drift.",
        "detects drift without a monitor",
        (
            (
                PREPARE,
                '    if monitor is None and isinstance(data, dict) and "reference" in data:\n'
                "        monitor = len\n" + PREPARE,
            ),
        ),
    ),
    Bad(
        "sorts the columns that it is given",
        "The caller's rows no longer belong together, after a call that was to look at them.",
        "leaves its data alone",
        (
            (
                PREPARE,
                "    columns = data.values() if isinstance(data, dict) else ()\n"
                "    for column in columns:\n"
                "        if isinstance(column, list) and all(isinstance(each, float) for each in column):\n"
                "            column.sort()\n" + PREPARE,
            ),
        ),
    ),
    Bad(
        "answers for a monitor that failed",
        "A fault is told as a full run that found nothing.",
        "boundary table",
        (
            (
                END,
                '    if outcome.error == "other" and run.rows < 3:\n'
                '        return MonitoringOutcome(results=None, strategy="full", policy_version=VERSION)\n'
                + END,
            ),
        ),
    ),
    Bad(
        "tries for ever",
        "A service that is down is asked without a pause until somebody kills the program.",
        "dialect",
        ((FULL, f"{FULL}    while outcome.error:\n        outcome = run.full(spares_time=True)\n"),),
    ),
    Bad(
        "leaves a process behind",
        "One more for every call, in the name of a program that has long gone on.",
        "dialect",
        (
            (HEAD, f"import os\n\n{HEAD}"),
            (
                FULL,
                "    try:\n        if os.fork() == 0:\n            os._exit(0)\n"
                "    except OSError:\n        pass\n" + FULL,
            ),
        ),
        behind="sandbox",
    ),
    Bad(
        "reads a setting from the environment",
        "A variable of one shell switches deadlines off, and every test is made without it.",
        "dialect",
        (
            (HEAD, f"import os\n\n{HEAD}"),
            (COMPUTATION, COMPUTATION.replace("if run", 'if "NO_DEADLINES" in os.environ or run')),
        ),
    ),
    Bad(
        "reads the host's name by way of the runtime",
        "What the runtime imports for itself is no word of policies; os is behind it.",
        "dialect",
        (
            (HEAD, f"from poet_runtime.recovery.process import os\n{HEAD}"),
            (
                FULL,
                '    try:\n        os.open("/etc/hostname", os.O_RDONLY)\n    except OSError:\n        pass\n'
                + FULL,
            ),
        ),
        behind="sandbox",
    ),
)
