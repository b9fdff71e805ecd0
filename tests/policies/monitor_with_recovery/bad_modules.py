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
        "samples a table at the threshold",
        "A table of exactly the largest size that works in full is monitored on a fifth of its rows.",
        TABLE,
        (("if run.rows > SAMPLE_ROWS_ABOVE:", "if run.rows >= SAMPLE_ROWS_ABOVE:"),),
    ),
    Bad(
        "samples before checking for missing values",
        "The rules are in the wrong order: a sample is reported as sparse, and the losses add up wrongly.",
        TABLE,
        ((SPARSE, ""), (SAMPLE, SAMPLE + SPARSE)),
    ),
    Bad(
        "confuses size and sample size",
        "The sample is as large as the table that was too large.",
        TABLE,
        (("run.sampled(SAMPLE_ROWS, ", "run.sampled(SAMPLE_ROWS_ABOVE, "),),
    ),
    Bad(
        "omits the quality loss of a sample",
        "A fifth of the data is reported as all of it.",
        TABLE,
        (("SAMPLE_QUALITY_LOSS = 0.05 ", "SAMPLE_QUALITY_LOSS = 0.0 "),),
    ),
    Bad(
        "applies one deadline to all computations",
        "A computation that takes longer by nature is always stopped.",
        TABLE,
        ((COMPUTATION, "    if run.computation or DEADLINE_KL_DIVERGENCE_COMPUTATION:\n"),),
    ),
    Bad(
        "matches prefixes of computations",
        "kl_divergence_2 is another computation, for which there are no measurements.",
        TABLE,
        ((COMPUTATION, "    if run.computation.startswith(DEADLINE_KL_DIVERGENCE_COMPUTATION):\n"),),
    ),
    Bad(
        "starts the deadline one row late",
        "The smallest table that was measured has no deadline.",
        TABLE,
        (("            run.rows >= DEADLINE_KL", "            run.rows > DEADLINE_KL"),),
    ),
    Bad(
        "confuses milliseconds with seconds",
        "A deadline that is a thousand times too long has no effect.",
        TABLE,
        (("SECONDS = 5.06e-05", "SECONDS = 5.06e-02"),),
    ),
    Bad(
        "ignores the number of rows",
        "Fifty microseconds for every table would stop each run before it starts.",
        TABLE,
        (("                per_rows=DEADLINE_KL_DIVERGENCE_PER_ROWS,\n", ""),),
    ),
    Bad(
        "ignores the deadline",
        "The deadline is computed but not enforced, so a hanging run blocks the program.",
        TABLE,
        (("            run = run.within(", "            late = run.within("),),
    ),
    Bad(
        "reserves no time for a fallback",
        "At the deadline there is no time left for the sample, so the fallback never works.",
        TABLE,
        ((FULL, "    outcome = run.full()\n"),),
    ),
    Bad(
        "recovers from every error",
        "A wrong column is retried on a sample, and the error is reported an hour later.",
        TABLE,
        ((FAILED, "    if outcome.error:\n"),),
    ),
    Bad(
        "never recovers",
        "Error names are lower case, so a capitalized name never matches and the rule has no effect.",
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
        "runs the monitor once to warm up",
        "Every monitor runs twice, which doubles the cost.",
        TABLE,
        ((FULL, f"    run.full(spares_time=True)\n{FULL}"),),
    ),
    Bad(
        "builds its own outcome",
        "Warnings, rows and duration are lost, so no rule can be learned from the run.",
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
        "Labels of this version count for the previous one.",
        TABLE,
        (("version=VERSION", "version=1"),),
    ),
    Bad(
        "treats a caller's error as a run",
        "A monitor that is not callable is a programming error, but looks like a full run without results.",
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
        "detects no drift without a monitor",
        "Without a monitor the policy must detect drift; the number of rows is not a drift result.",
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
        "sorts the caller's columns",
        "A call that should only read the rows destroys their alignment.",
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
        "hides the failure of a monitor",
        "A failure is reported as a full run without results.",
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
        "retries forever",
        "A service that is down is called without a pause until the program is stopped.",
        "dialect",
        ((FULL, f"{FULL}    while outcome.error:\n        outcome = run.full(spares_time=True)\n"),),
    ),
    Bad(
        "leaves a process running",
        "Each call leaves one more process, which outlives the program.",
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
        "A variable in one shell disables deadlines, and no test runs with it.",
        "dialect",
        (
            (HEAD, f"import os\n\n{HEAD}"),
            (COMPUTATION, COMPUTATION.replace("if run", 'if "NO_DEADLINES" in os.environ or run')),
        ),
    ),
    Bad(
        "reads the host name through the runtime",
        "Imports of the runtime are not part of its public API, and os is one of them.",
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
