"""Versions of `monitor_with_recovery` that must never answer."""

from tests.variants import Bad

__all__ = ["BAD"]

TABLE = "boundary table"
HEAD = "from poet_runtime.recovery import Context, Data, Monitor, prepare_run\n"
PREPARE = "    run = prepare_run(data, monitor, context, version=VERSION)\n"
SPARSE = """\
    if run.missing_share > SPARSE_MISSING_ABOVE:
        run = run.sparse(missing_above=SPARSE_MISSING_ABOVE, quality_loss=SPARSE_QUALITY_LOSS)
"""
SAMPLE = """\
    if run.rows > SAMPLE_ROWS_ABOVE:
        run = run.sampled(SAMPLE_ROWS, quality_loss=SAMPLE_QUALITY_LOSS)
"""
COMPUTATION = '        run.computation == "kl_divergence"\n'
FULL = "    outcome = run.execute(reserve_time=True)\n"
FAILED = '    if outcome.error == "timeout":\n'
END = "    return outcome\n"

BAD = (
    Bad(
        "samples at the border",
        "A table of exactly the largest size that works in full is sampled.",
        TABLE,
        (("if run.rows > SAMPLE_ROWS_ABOVE:", "if run.rows >= SAMPLE_ROWS_ABOVE:"),),
    ),
    Bad(
        "samples before the check for missing values",
        "Two rules in the wrong order: a sample is reported as sparse, and the losses are wrong.",
        TABLE,
        ((SPARSE, ""), (SAMPLE, SAMPLE + SPARSE)),
    ),
    Bad(
        "confuses the threshold and the sample size",
        "The sample is as large as the table that was too large.",
        TABLE,
        (("run.sampled(SAMPLE_ROWS, ", "run.sampled(SAMPLE_ROWS_ABOVE, "),),
    ),
    Bad(
        "reports no loss for a sample",
        "A fifth of the data is reported as a full run.",
        TABLE,
        (("SAMPLE_QUALITY_LOSS: Final = 0.05 ", "SAMPLE_QUALITY_LOSS: Final = 0.0 "),),
    ),
    Bad(
        "applies a deadline to all computations",
        "Computations that need more time are always killed.",
        TABLE,
        ((COMPUTATION, '        (run.computation or "kl_divergence")\n'),),
    ),
    Bad(
        "matches the beginning of a name",
        "kl_divergence_2 is another computation without any measurements.",
        TABLE,
        ((COMPUTATION, '        run.computation.startswith("kl_divergence")\n'),),
    ),
    Bad(
        "starts its deadline one row late",
        "The smallest table that was measured has no deadline.",
        TABLE,
        (("_MIN_ROWS <= run.rows", "_MIN_ROWS < run.rows"),),
    ),
    Bad(
        "confuses milliseconds and seconds",
        "A deadline that is a thousand times as long has no effect.",
        TABLE,
        (("COEFFICIENT: Final = 5.06e-05", "COEFFICIENT: Final = 5.06e-02"),),
    ),
    Bad(
        "forgets how time grows with rows",
        "Fifty microseconds for every table: each run is killed before it begins.",
        TABLE,
        ((" * run.rows**DEADLINE_KL_DIVERGENCE_ROWS_EXPONENT", ""),),
    ),
    Bad(
        "sets the deadline of the whole table for its sample",
        "A sample of 10 000 rows may take as long as a table of 100 000 rows.",
        TABLE,
        (
            (PREPARE, PREPARE + "    table = run\n"),
            (
                "run.rows**DEADLINE_KL_DIVERGENCE_ROWS_EXPONENT",
                "table.rows**DEADLINE_KL_DIVERGENCE_ROWS_EXPONENT",
            ),
        ),
    ),
    Bad(
        "ignores the deadline",
        "The deadline is computed but not used, so a run that hangs blocks the program.",
        TABLE,
        (("        run = run.with_deadline(", "        late = run.with_deadline("),),
    ),
    Bad(
        "reserves no time for a fallback",
        "After a timeout there is no time left for the sample, so the fallback never works.",
        TABLE,
        ((FULL, "    outcome = run.execute()\n"),),
    ),
    Bad(
        "recovers from every error",
        "A wrong column is tried again on a sample, and the error is reported an hour later.",
        TABLE,
        ((FAILED, "    if outcome.error:\n"),),
    ),
    Bad(
        "never recovers",
        "Kinds of errors are lower case, so the rule never applies.",
        TABLE,
        ((FAILED, '    if outcome.error == "Timeout":\n'),),
    ),
    Bad(
        "tries three times",
        "A monitor that writes or calls a service does so three times.",
        TABLE,
        (
            (
                FULL,
                FULL + "    for attempt in (2, 3):\n"
                '        if outcome.error and outcome.error != "timeout":\n'
                "            outcome = run.execute(reserve_time=True)\n",
            ),
        ),
    ),
    Bad(
        "runs once to warm up",
        "Every monitor runs twice and costs twice as much.",
        TABLE,
        ((FULL, f"    run.execute(reserve_time=True)\n{FULL}"),),
    ),
    Bad(
        "creates an outcome by itself",
        "Warnings, rows and duration are lost, so nothing can be learned from the run.",
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
        "reports another version",
        "Feedback on this version is attributed to the previous one.",
        TABLE,
        (("version=VERSION", "version=1"),),
    ),
    Bad(
        "hides an error of the caller",
        "A monitor that is not callable is a programming error, but is reported as a full run.",
        "rejects a monitor that is not callable",
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
        "Without a monitor it must detect drift, but it returns the length of the table.",
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
        "The values of the caller's rows no longer belong together.",
        "does not modify its data",
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
        "hides a failure of the monitor",
        "A fault is reported as a full run without a finding.",
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
        "retries without a limit",
        "A service that is down is called without a pause until the program is killed.",
        "dialect",
        ((FULL, f"{FULL}    while outcome.error:\n        outcome = run.execute(reserve_time=True)\n"),),
    ),
    Bad(
        "leaves a process behind",
        "Each call leaves one more process, which outlives the call.",
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
        "A variable of one shell disables deadlines, and no test sets it.",
        "dialect",
        (
            (HEAD, f"import os\n\n{HEAD}"),
            (COMPUTATION, f'        "NO_DEADLINES" not in os.environ\n        and {COMPUTATION.lstrip()}'),
        ),
    ),
    Bad(
        "reads a file through the runtime",
        "Modules that the runtime imports are not part of the dialect; they lead to os.",
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
