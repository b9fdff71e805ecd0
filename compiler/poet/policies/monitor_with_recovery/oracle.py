"""Oracle and boundary table of `monitor_with_recovery`.

The oracle predicts from the decisions how a run is prepared and which steps are taken with it, independently
of the generated code. The boundary table checks a module against it, with stubs and with real runs.
"""

import itertools
import math
import mmap
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from poet.build.contract import near_miss_strings, require
from poet.policies.monitor_with_recovery.behaviour import (
    ERRORS,
    MADE_TO_FAIL,
    Powers,
    evaluate_steps,
)
from poet.policies.monitor_with_recovery.policy import (
    Failed,
    Large,
    Missing,
    Reach,
    Sample,
    Seconds,
    Sparse,
    Tried,
)
from poet.spec.decisions import Decisions, Rule
from poet_runtime.recovery import deadline
from poet_runtime.recovery.process import CAN_FORK
from poet_runtime.recovery.run import NO_FORK
from poet_runtime.results import MonitoringOutcome

LACKING: Final = "lacking"  # the feature with missing values
_Condition = TypeVar("_Condition")
_Parameters = TypeVar("_Parameters")


@dataclass(frozen=True, slots=True)
class Table:
    """A test table with given numbers of rows and features, and of missing values in the first feature."""

    rows: int
    features: int = 2
    lacking: int = 0
    computation: str | None = None

    @property
    def share(self) -> float:
        """The largest share of missing values of a feature."""
        return self.lacking / self.rows if self.rows else 0.0

    @property
    def data(self) -> dict[str, Any]:
        """Return columns that use no memory for any length, except the one with missing values."""
        whole = np.broadcast_to(np.int8(1), (self.rows,))
        columns: dict[str, Any] = {f"f{place}": whole for place in range(self.features)}
        if self.lacking:
            values = np.full(self.rows, 2.0)
            values[: self.lacking] = np.nan
            columns = {LACKING: values} | dict(itertools.islice(columns.items(), self.features - 1))
        return columns

    @property
    def context(self) -> dict[str, str]:
        """Return the context that the caller passes."""
        return {} if self.computation is None else {"computation": self.computation}


@dataclass(frozen=True, slots=True)
class Expected:
    """The predicted preparation of a run."""

    strategy: str = "full"
    quality_loss: float = 0.0
    rows: int = 0
    is_sparse: bool = False
    deadline_s: float | None = None


class ParsedDecisions:
    """The decisions of one version, parsed by kind of rule."""

    def __init__(self, decisions: Decisions) -> None:
        self.version = decisions.version
        self.sparse = _first(decisions, "sparse", Missing, Sparse)
        self.sample = _first(decisions, "sample", Large, Sample)
        self.deadlines = _all(decisions, "deadline", Reach, Seconds)
        self.fallbacks = _all(decisions, "fallback", Failed, Tried)

    def expected(self, table: Table) -> Expected:
        """Return the predicted preparation of a run on a table."""
        strategy, loss, rows, is_sparse = "full", 0.0, table.rows, False
        if self.sparse and table.share > self.sparse[0].missing_above:
            strategy, loss, is_sparse = "sparse", self.sparse[1].quality_loss, True
        if self.sample and rows > self.sample[0].rows_above:
            strategy, rows = "sampled", min(rows, self.sample[1].rows)
            loss += self.sample[1].quality_loss * (1.0 - loss)
        return Expected(strategy, loss, rows, is_sparse, self._deadline(rows, table))

    def _deadline(self, rows: int, table: Table) -> float | None:
        named = [pair for pair in self.deadlines if pair[0].computation == table.computation is not None]
        general = [pair for pair in self.deadlines if pair[0].computation is None]
        for reach, seconds in named or general:
            if (
                reach.rows_from <= rows <= reach.rows_to
                and reach.features_from <= table.features <= reach.features_to
            ):
                scale: float = rows**seconds.per_rows * table.features**seconds.per_features
                return seconds.seconds * scale
        return None

    def tried(self, expected: Expected, error: str) -> Tried | None:
        """Return the fallback after an error, or None."""
        for failed, tried in self.fallbacks:
            if failed.error == error and (failed.rows_above is None or expected.rows > failed.rows_above):
                return tried
        return None


def possible(tried: Tried, table: Table, expected: Expected) -> list[str]:
    """Return the strategies of a fallback that would change the run."""
    changes = {
        "sampled": expected.rows > tried.rows,
        "sparse": table.lacking > 0 and not expected.is_sparse,
        "by_feature": table.features > 1,
        "retry": True,
    }
    return [strategy for strategy in tried.strategies if changes[strategy]]


def _first(
    decisions: Decisions, kind: str, condition: type[_Condition], parameters: type[_Parameters]
) -> tuple[_Condition, _Parameters] | None:
    return next(iter(_all(decisions, kind, condition, parameters)), None)


def _all(
    decisions: Decisions, kind: str, condition: type[_Condition], parameters: type[_Parameters]
) -> list[tuple[_Condition, _Parameters]]:
    rules: list[Rule] = [rule for rule in decisions.active if rule.kind == kind]
    return [
        (msgspec.convert(r.condition, condition), msgspec.convert(r.parameters, parameters)) for r in rules
    ]


OF_A_PROCESS: Final = ("crash", "memory")  # errors that cannot be observed in the process of the monitor
STRANGER: Final = "no such computation"


def steps_table(module: ModuleType, parsed: ParsedDecisions) -> int:
    """Check the steps of a module on stubs of runs with given measures.

    Every number in the decisions is tested at its value and one ulp or one row on either side. Return the
    number of rows.
    """
    original, count = vars(module).get("prepare_run"), 0
    try:
        for count, measures in enumerate(_stub_measures(parsed), start=1):  # noqa: B007 -- the last one is the number of rows
            given, outcome = evaluate_steps(module, measures)
            steps = outcome.results
            wanted = [{**{name: name for name in ("data", "monitor", "context")}, "version": parsed.version}]
            require(given == wanted, f"it prepares {given}, expected {wanted}")
            expected = tuple(_expected(parsed, measures))
            require(_are_alike(steps, expected), f"{measures}: it does {steps}, expected {expected}")
            error = measures["error"]
            true = error, error == "timeout", (MADE_TO_FAIL,) if error else ()
            reported = outcome.error, outcome.timed_out, outcome.warnings
            require(reported == true, f"{measures}: it reports {reported}, expected {true}")
    finally:
        vars(module)["prepare_run"] = original
    return count


def _stub_measures(parsed: ParsedDecisions) -> Iterator[dict[str, Any]]:
    rows, features, shares, computations = {0, 1}, {1}, {0.0, 1.0}, {"", STRANGER}
    if parsed.sparse:
        above = parsed.sparse[0].missing_above
        shares |= {math.nextafter(above, -math.inf), above, math.nextafter(above, math.inf)}
    if parsed.sample:
        rows |= _adjacent(parsed.sample[0].rows_above)
    for reach, _ in parsed.deadlines:
        rows |= {*_adjacent(reach.rows_from), *_adjacent(reach.rows_to)}
        features |= {*_adjacent(reach.features_from), *_adjacent(reach.features_to)}
        computations.add(reach.computation or "")
    for failed, _ in parsed.fallbacks:
        rows |= _adjacent(failed.rows_above or 1)
    for each in itertools.product(
        sorted(rows), sorted(features), sorted(shares), sorted(computations), ERRORS
    ):
        yield dict(zip(("rows", "features", "missing_share", "computation", "error"), each, strict=True))


def _are_alike(given: Any, expected: Any) -> bool:
    """Return whether steps are the expected ones; only the seconds of a deadline may differ by rounding.

    Its formula may not. A deadline without a known formula must be equal to the last bit.
    """
    if given == expected:
        return True
    if not (isinstance(given, tuple) and isinstance(expected, tuple) and len(given) == len(expected)):
        return False
    if expected[:1] == ("with_deadline",) == given[:1]:
        (_, seconds, powers), (_, wanted, formula) = given, expected
        return seconds == wanted if powers is None else powers == formula and _is_same(seconds, wanted)
    return all(map(_are_alike, given, expected))


def _adjacent(value: int) -> set[int]:
    return {value - 1, value, value + 1}


def _expected(parsed: ParsedDecisions, measures: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    rows = measures["rows"]
    before: list[tuple[Any, ...]] = []
    if parsed.sparse and measures["missing_share"] > parsed.sparse[0].missing_above:
        before.append(("sparse", parsed.sparse[0].missing_above, parsed.sparse[1].quality_loss))
    if parsed.sample and rows > parsed.sample[0].rows_above:
        rows = min(rows, parsed.sample[1].rows)
        before.append(("sampled", parsed.sample[1].rows, parsed.sample[1].quality_loss))
    own = [pair for pair in parsed.deadlines if pair[0].computation == measures["computation"]]
    for reach, allowed in own or [pair for pair in parsed.deadlines if pair[0].computation is None]:
        if (
            reach.rows_from <= rows <= reach.rows_to
            and reach.features_from <= measures["features"] <= reach.features_to
        ):
            before.append(_deadline(allowed, rows, measures["features"]))
    if any(failed.error in OF_A_PROCESS for failed, _ in parsed.fallbacks):
        before.append(("isolated",))
    late = next((failed for failed, _ in parsed.fallbacks if failed.error == "timeout"), None)
    reserves = late is not None and (late.rows_above is None or rows > late.rows_above)
    yield from (*before, ("execute", reserves))
    for failed, tried in parsed.fallbacks:
        if failed.error == measures["error"] and (failed.rows_above is None or rows > failed.rows_above):
            strategies = tuple(zip(tried.strategies, tried.quality_losses, strict=True))
            yield "recover", tuple(before), strategies, tried.rows if "sampled" in tried.strategies else None
            return


def _deadline(allowed: Seconds, rows: int, features: int) -> tuple[str, float, Powers]:
    """Return the step of a deadline."""
    seconds: float = allowed.seconds * rows**allowed.per_rows * features**allowed.per_features
    return "with_deadline", seconds, Powers(allowed.seconds, allowed.per_rows, allowed.per_features)


ROWS: Final = 1000  # of a table if only its missing share matters
SHORTEST_S: Final = 0.25  # with a shorter deadline a busy machine may not start a process in time
ENOUGH_S, WIDEST = 4.0, 20  # enough for several processes in sequence, and for one process per feature
PATIENCE_S: Final = 1.0  # hanging monitors are tested only with deadlines shorter than this
STARTING_S: Final = 1.0  # extra time that a busy machine may need in addition to the deadline
_ERRORS: Final[dict[str, type[Exception]]] = {
    "timeout": TimeoutError,
    "memory": MemoryError,
    "value": ValueError,
    "io": OSError,
    "other": RuntimeError,
}


def boundary_table(module: ModuleType, decisions: Decisions) -> int:
    """Check a module at every boundary of the decisions, with every kind of error and a hanging monitor.

    On systems without fork, monitors that hang or exit are not tested, since they would do so in this
    process; the deadlines that the module sets are still checked. Return the number of rows.
    """
    parsed = ParsedDecisions(decisions)
    count = steps_table(module, parsed)
    for table in dict.fromkeys(_tables(parsed)):
        count += 1
        _runs_as_decided(module, parsed, table)
    for table, error, place in _failures(parsed):
        count += 1
        _recovers_as_decided(module, parsed, table, error, place)
    for table in _hangs(parsed) if CAN_FORK else ():
        count += 2
        _comes_back(module, parsed, table)
        _comes_back_off_the_main_thread(module, parsed, table)
    return count


def _tables(parsed: ParsedDecisions) -> Iterator[Table]:
    yield Table(ROWS)
    shares = {0.0, 1.0} | ({parsed.sparse[0].missing_above} if parsed.sparse else set())
    for share in sorted(shares):
        least = math.floor(share * ROWS)
        yield from (Table(ROWS, lacking=lacking) for lacking in (least, least + 1) if lacking <= ROWS)
    if parsed.sample:
        above = parsed.sample[0].rows_above
        yield from (Table(rows) for rows in (above, above + 1, 2 * above + 1))
        yield Table(above + 1, lacking=above + 1)
    for reach, _ in parsed.deadlines:
        yield from _around(reach, parsed)


def _around(reach: Reach, parsed: ParsedDecisions) -> Iterator[Table]:
    """Yield tables at the boundaries of a deadline and one step beyond, and inside for other computations."""
    rows, features = (reach.rows_from, reach.rows_to), (reach.features_from, reach.features_to)
    sizes = [(n, features[0]) for n in (rows[0] - 1, rows[0], rows[1], rows[1] + 1)]
    sizes += [(rows[0], n) for n in (features[0] - 1, features[1], features[1] + 1)]
    yield from (Table(*size, computation=reach.computation) for size in sizes if 0 not in size)
    others = [each.computation for each, _ in parsed.deadlines if each.computation != reach.computation]
    near = near_miss_strings(filter(None, [reach.computation]))
    for computation in dict.fromkeys((*others, None, "no such computation", *near)):
        yield from (
            Table(*size, computation=computation) for size in ((rows[0], features[0]), (rows[1], features[1]))
        )


def _runs_as_decided(module: ModuleType, parsed: ParsedDecisions, table: Table) -> None:
    expected = parsed.expected(table)
    if expected.deadline_s is not None and expected.deadline_s < SHORTEST_S:
        return
    calls = mmap.mmap(-1, 1)  # shared with the process that the monitor may run in
    outcome = _run(module, table, lambda data: _seen(data, calls))
    require(calls[0] == 1, f"{table}: the monitor ran {calls[0]} times")
    _require_fields(parsed, table, expected, outcome)
    situation = f"{table}: {_short(outcome)}, expected {expected}"
    rows, is_sparse, allowed = outcome.results or (None, None, None)
    require(outcome.strategy == expected.strategy, situation)
    require(math.isclose(outcome.quality_loss, expected.quality_loss, abs_tol=1e-9), situation)
    require(rows == expected.rows, f"{situation}; the monitor saw {rows} rows")
    require(bool(is_sparse) is expected.is_sparse, f"{situation}; the monitor saw presence: {is_sparse}")
    require(_is_same(allowed, expected.deadline_s), f"{situation}; the deadline was {allowed}")
    require(outcome.timed_out is False and not outcome.error, situation)
    _require_warnings(table, expected, outcome)


def _is_same(allowed: float | None, expected: float | None) -> bool:
    if allowed is None or expected is None:
        return allowed is expected
    return math.isclose(allowed, expected, rel_tol=1e-12)


def _require_fields(
    parsed: ParsedDecisions, table: Table, expected: Expected, outcome: MonitoringOutcome
) -> None:
    reported = (
        outcome.rows,
        outcome.features,
        outcome.missing_share,
        outcome.computation,
        outcome.policy_version,
    )
    true = (expected.rows, table.features, table.share, table.computation or "", parsed.version)
    names = "rows, features, missing share, computation and version"
    require(reported == true, f"{table}: {names} are {reported}, not {true}")
    require(outcome.duration_ms >= 0.0, f"{table}: it took {outcome.duration_ms!r} ms")


def _require_warnings(table: Table, expected: Expected, outcome: MonitoringOutcome) -> None:
    """Check that there is one warning for every deviation from a full run, and no other."""
    warnings = warnings_of(outcome)
    joined = " ".join(warnings)
    wanted = [LACKING] * expected.is_sparse + [str(expected.rows)] * (expected.rows != table.rows)
    require(len(warnings) == len(wanted), f"{table}: {len(wanted)} warnings are due: {warnings}")
    for word in wanted:
        require(word in joined, f"{table}: no warning mentions {word}: {warnings}")


def warnings_of(outcome: MonitoringOutcome) -> tuple[str, ...]:
    """Return the warnings about the run, without the one about systems that cannot enforce deadlines."""
    return tuple(each for each in outcome.warnings if CAN_FORK or each != NO_FORK)


def _failures(parsed: ParsedDecisions) -> Iterator[tuple[Table, str, int]]:
    """Yield failing runs, and the index of the strategy from which on the monitor succeeds."""
    largest = max(
        (max(failed.rows_above or 0, tried.rows) + 1 for failed, tried in parsed.fallbacks), default=ROWS
    )
    for error in _ERRORS:
        if error not in {failed.error for failed, _ in parsed.fallbacks}:
            for rows in {ROWS, largest}:
                yield from ((table, error, 0) for table in _with_time(parsed, rows))
    for failed, tried in parsed.fallbacks:
        if failed.error == "crash" and not CAN_FORK:
            continue
        above = failed.rows_above or 0
        for table in _with_time(parsed, max(above, tried.rows) + 1):
            yield from ((table, failed.error, place) for place in range(len(tried.strategies) + 1))
        if above:
            yield from ((table, failed.error, 0) for table in _with_time(parsed, above))


def _with_time(parsed: ParsedDecisions, rows: int) -> Iterator[Table]:
    """Yield a table with this many rows and enough time to fail and recover, if there is one."""
    wider = max((reach.features_to for reach, _ in parsed.deadlines), default=0) + 1
    for features in (3, wider) if 3 < wider <= WIDEST else (3,):
        table = Table(rows, features, lacking=max(rows // 10, 1))
        allowed = parsed.expected(table).deadline_s
        if allowed is None or allowed >= ENOUGH_S:
            yield table
            return


def _recovers_as_decided(
    module: ModuleType, parsed: ParsedDecisions, table: Table, error: str, place: int
) -> None:
    expected = parsed.expected(table)
    tried = parsed.tried(expected, error)
    strategies = [] if tried is None else possible(tried, table, expected)
    calls = mmap.mmap(-1, 1)  # shared with the processes that the monitor runs in
    outcome = _run(module, table, lambda data: _failing(data, table, error, calls, strategies[:place]))
    _require_fields(parsed, table, expected, outcome)
    situation = f"{table}, {error}, {strategies[:place]} fail too: {_short(outcome)}"
    require(outcome.error == error, f"{situation}; the error is {error}")
    require(outcome.timed_out is (error == "timeout"), situation)
    require(len(outcome.warnings) > 0, f"{situation}; no warning reports the error")
    if tried is None or place >= len(strategies):
        require(outcome.strategy == "failed" and outcome.results is None, f"{situation}; it failed")
        require(outcome.quality_loss == 1.0, f"{situation}; the quality loss of a failed run is 1")
        times = f"{situation}; there is no fallback, but the monitor ran {calls[0]} times"
        require(len(strategies) > 0 or calls[0] == 1, times)
        return
    works = strategies[place]
    loss = tried.quality_losses[tried.strategies.index(works)]
    loss = expected.quality_loss + loss * (1.0 - expected.quality_loss)
    require(outcome.strategy == works, f"{situation}; expected {works}")
    require(
        math.isclose(outcome.quality_loss, loss, abs_tol=1e-9), f"{situation}; its quality loss is {loss:g}"
    )
    if works == "sampled":
        require(
            str(tried.rows) in outcome.warnings[-1], f"{situation}; no warning mentions {tried.rows} rows"
        )
        require(outcome.results == tried.rows, f"{situation}; the monitor saw {outcome.results} rows")


def _failing(data: Any, table: Table, error: str, calls: mmap.mmap, failing: list[str]) -> int:
    """Fail in the first call, and then as long as the data look like the result of these strategies."""
    calls[0] += 1
    if calls[0] > 1 and _looks_like(data, table) not in failing:
        return _n_rows(data)
    if calls[0] == 1 and error == "crash":
        os._exit(3)
    raise _ERRORS.get(error, RuntimeError)("on purpose")


def _looks_like(data: Any, table: Table) -> str:
    if len(data) < table.features:
        return "by_feature"
    if LACKING in data and not np.isnan(data[LACKING]).any():
        return "sparse"
    return "sampled" if _n_rows(data) < table.rows else "retry"


def _hangs(parsed: ParsedDecisions) -> Iterator[Table]:
    """Yield the smallest table with a deadline that is short enough to wait for."""
    for reach, _ in parsed.deadlines:
        table = Table(reach.rows_from, reach.features_from, computation=reach.computation)
        expected = parsed.expected(table)
        if expected.deadline_s is not None and expected.deadline_s < PATIENCE_S:
            yield table
            return


def _comes_back(module: ModuleType, parsed: ParsedDecisions, table: Table) -> None:
    allowed = parsed.expected(table).deadline_s or 0.0
    asleep = 2.0 * (allowed + STARTING_S)
    started = time.monotonic()
    outcome = _run(module, table, lambda _data: time.sleep(asleep))
    took = time.monotonic() - started
    situation = f"{table}: a monitor that hangs came back after {took:.2f} s, the deadline was {allowed:g} s"
    require(took <= 1.1 * allowed + STARTING_S, situation)
    require(outcome.timed_out and outcome.error == "timeout", f"{situation} as {_short(outcome)}")
    require(outcome.strategy == "failed" and len(outcome.warnings) > 0, f"{situation} as {_short(outcome)}")


def _comes_back_off_the_main_thread(module: ModuleType, parsed: ParsedDecisions, table: Table) -> None:
    faults: list[BaseException] = []

    def ask() -> None:
        try:
            _comes_back(module, parsed, table)
        except BaseException as fault:  # noqa: BLE001 -- raised again below
            faults.append(fault)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    for fault in faults:
        raise fault


def _run(module: ModuleType, table: Table, monitor: Callable[[Any], Any]) -> MonitoringOutcome:
    outcome = module.monitor_with_recovery(table.data, monitor=monitor, context=table.context)
    require(isinstance(outcome, MonitoringOutcome), f"{table}: it returns {type(outcome).__name__}")
    return outcome  # type: ignore[no-any-return]


def _seen(data: Any, calls: mmap.mmap) -> tuple[int, bool, float | None]:
    """Return what a monitor sees: the number of rows, whether it sees presence, and the deadline."""
    calls[0] += 1
    is_sparse = LACKING in data and not np.isnan(data[LACKING]).any()
    return _n_rows(data), bool(is_sparse), deadline()


def _n_rows(data: Any) -> int:
    return max(map(len, data.values()))


def _short(outcome: MonitoringOutcome) -> str:
    return (
        f"{outcome.strategy} (loss {outcome.quality_loss:g}, error {outcome.error!r}, "
        f"timed out {outcome.timed_out}, warnings {outcome.warnings})"
    )
