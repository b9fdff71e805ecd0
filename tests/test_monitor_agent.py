"""Tests of `SmartMonitor`: buffer, threshold, tracking ids, awaited feedback and background learning."""

import ast
import asyncio
import contextlib
import inspect
import os
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poet import SmartMonitor, Workspace, poet
from poet.events import Event, make
from poet.workspace.compile_lock import LOCK_FILE, save_checkpoint
from poet_runtime.errors import EventError, MonitorError, WorkspaceError
from poet_runtime.files import FileLock
from tests.workspaces import first_workspace

CHANCE = np.random.default_rng(7)
CURRENT, REFERENCE = CHANCE.normal(3.0, 1.0, 60), CHANCE.normal(0.0, 1.0, 300)
COMPILE = "poet.monitor.learner.Learner._compile"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Create a workspace with version 1 of every policy."""
    return first_workspace(tmp_path / "w", threshold=3)


@pytest.fixture
def monitor(folder: Path) -> Iterator[SmartMonitor]:
    """Open an agent on it."""
    with SmartMonitor(folder) as opened:
        yield opened


@pytest.fixture
def other_process(folder: Path) -> Iterator[Workspace]:
    """Open the workspace like another process, with a separate log object."""
    with Workspace.open(folder) as opened:
        yield opened


def label(execution_id: str, *, was_real: bool = False, identity: str | None = None) -> Event:
    """Return the label of an execution."""
    data = {"execution_id": execution_id, "was_real_drift": was_real}
    return make("drift.validation", data, source="user/ana", id=identity or f"on-{execution_id}")


def tracked(monitor: SmartMonitor) -> str:
    """Monitor once and track the result."""
    return monitor.track_execution(monitor.detect_drift(CURRENT, REFERENCE))


def test_the_built_in_policies_are_methods(monitor: SmartMonitor) -> None:
    """The versions of the workspace answer."""
    result = monitor.detect_drift(CURRENT, REFERENCE, feature="age")
    assert (result.policy_version, result.drifted, result.feature) == (1, True, "age")
    assert monitor.calculate_adaptive_window("age", 1000.0, "normal") == 5000
    assert monitor.calculate_feature_importance("age", {"base_importance": 2.0}) == 2.0
    assert len(monitor.generate_alerts([result]).alerts) == 1
    assert monitor.monitor_with_recovery(3, monitor=lambda data: data + 1).results == 4
    assert monitor.adaptive_monitoring_strategy({}).frequency == "hourly"


def test_every_answer_has_an_id_that_feedback_cites(monitor: SmartMonitor) -> None:
    """The id is a field of the answer, or comes from the workspace for a number."""
    plan = monitor.generate_alerts([])
    strategy = monitor.adaptive_monitoring_strategy({})
    window = monitor.calculate_adaptive_window("age", 1000.0, "normal")
    tracked_ids = [monitor.track_execution(each) for each in (plan, strategy)]
    tracked_ids.append(monitor.track_execution(monitor.workspace.last_execution_id()))
    assert len(set(tracked_ids)) == 3
    monitor.flush()
    executions = [e.event.data for e in monitor.workspace.log.read() if e.event.type == "policy.executed"]
    assert [each.execution_id for each in executions] == tracked_ids  # type: ignore[attr-defined]
    with pytest.raises(MonitorError, match="5000 has no execution_id"):
        monitor.track_execution(window)  # type: ignore[call-overload]


def test_the_methods_have_the_signatures_and_docstrings_of_the_policies(monitor: SmartMonitor) -> None:
    """The runtime's description of each policy defines them. Other names are not attributes."""
    parameters = inspect.signature(monitor.detect_drift).parameters
    assert list(parameters)[:3] == ["current", "reference", "feature"]
    assert "has drifted from" in str(SmartMonitor.detect_drift.__doc__)
    with pytest.raises(AttributeError, match="'detect_cats'"):
        monitor.detect_cats  # noqa: B018


def test_editors_see_the_methods_of_the_policies() -> None:
    """Parameters, types and docstrings are equal. A policy may lack a declaration."""
    from poet.monitor import agent as _methods
    from poet_runtime.policies.policy import BUILT_IN, runtime_policy

    def methods(source: str, *, named: str = "") -> dict[str, str]:
        found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
        for node in found:
            node.name = named or node.name
        return {node.name: ast.unparse(node) for node in found}

    seen = methods(inspect.getsource(_methods))
    declared = [name for name in BUILT_IN if name in seen]
    assert "detect_drift" in declared
    for name in declared:
        protocol = runtime_policy(name).protocol
        assert protocol is not None
        source = textwrap.dedent(inspect.getsource(protocol.__call__))
        assert methods(source, named=name) == {name: seen[name]}


def test_the_decorator_configures_how_an_agent_learns(folder: Path) -> None:
    """The decorator sets workspace and threshold. The default threshold is that of poet.toml."""

    @poet(domain="ml_monitoring", learning="manual", learning_threshold=7, workspace=folder)
    class CheckoutMonitor(SmartMonitor):
        """A monitor of the checkout."""

    with CheckoutMonitor() as checkout, SmartMonitor(folder) as plain:
        assert (checkout.learning_threshold, checkout.options.learning) == (7, "manual")
        assert (plain.learning_threshold, plain.options.learning) == (3, "continuous")
        assert checkout.workspace is plain.workspace


def test_an_agent_needs_a_workspace(tmp_path: Path) -> None:
    """An agent has no function body as a fallback."""
    with pytest.raises(WorkspaceError, match="run `poet init"):
        SmartMonitor(tmp_path)


def test_collected_feedback_is_in_the_buffer_and_in_the_log(monitor: SmartMonitor) -> None:
    """Repeated feedback counts once, and refused feedback changes nothing."""
    first = monitor.collect_feedback(label("x1"))
    monitor.collect_feedback(label("x1"))
    second = monitor.collect_feedback(
        "drift.false_positive", {"execution_id": "x2"}, source="user/bo", time=5.0, id="b"
    )
    with pytest.raises(EventError, match="was_real_drift"):
        monitor.collect_feedback("drift.validation", {"execution_id": "x3"})
    monitor.workspace.flush()
    assert monitor.feedback_buffer == [first, second]
    assert [(e.event.source, e.event.id) for e in monitor.workspace.log.read()] == [
        ("user/ana", "on-x1"),
        ("user/bo", "b"),
    ]
    assert second.time == 5.0


def test_the_threshold_starts_learning_and_empties_the_buffer(
    monitor: SmartMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later feedback counts for the next run. The caller never waits, and learned feedback is on disk."""
    learned: list[int] = []
    go_on = threading.Event()

    def compile_slowly(learner: Any, _turn: FileLock) -> None:
        learned.append(learner._workspace.log.position())
        assert go_on.wait(10.0)
        save_checkpoint(learner._workspace.path, learned[-1])

    monkeypatch.setattr(COMPILE, compile_slowly)
    for number in range(3):
        monitor.collect_feedback(label(f"x{number}"))
    assert monitor.feedback_buffer == []
    while not learned:
        time.sleep(0.001)
    for number in range(3, 7):
        monitor.collect_feedback(label(f"x{number}"))
    assert [event.id for event in monitor.feedback_buffer] == ["on-x6"]
    assert learned == [3]
    go_on.set()
    monitor.flush()
    assert learned == [3, 7]


def test_manual_learning_only_records(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learning starts with a compile."""
    monkeypatch.setattr(COMPILE, lambda *_: pytest.fail("learned"))

    @poet(learning="manual")
    class Recorder(SmartMonitor):
        """An agent that only records."""

    with Recorder(folder) as recorder:
        for number in range(5):
            recorder.collect_feedback(label(f"x{number}"))
        assert len(recorder.feedback_buffer) == 5


def test_a_failed_learning_run_is_reported_and_the_monitor_continues(
    monitor: SmartMonitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The error is in `failures` and in the log, and `flush` raises it once. The champion answers."""

    def refuse(*_: object) -> None:
        raise MonitorError("the candidate broke its contract")

    monkeypatch.setattr(COMPILE, refuse)
    for number in range(3):
        monitor.collect_feedback(label(f"x{number}"))
    with pytest.raises(MonitorError, match="broke its contract"):
        monitor.flush()
    assert [str(failure) for failure in monitor.failures] == ["the candidate broke its contract"]
    assert "broke its contract" in caplog.text
    assert monitor.detect_drift(CURRENT, REFERENCE).policy_version == 1
    monitor.flush()


def test_a_failed_compile_process_reports_the_reason(monitor: SmartMonitor) -> None:
    """The message is that of the stage that refused."""
    (monitor.workspace.path / "poet.toml").write_text("start = 3", encoding="utf-8")
    for number in range(3):
        monitor.collect_feedback(label(f"x{number}"))
    with pytest.raises(MonitorError, match="Expected `str`, got `int`"):
        monitor.flush()


def test_the_holder_of_the_lock_compiles_for_all(
    monitor: SmartMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monitor waits for the compile of another process, and does not repeat it."""
    monkeypatch.setattr(COMPILE, lambda *_: pytest.fail("compiled what was covered"))
    with contextlib.closing(FileLock(monitor.workspace.path / LOCK_FILE)) as others:
        assert others.try_acquire()
        for number in range(3):
            monitor.collect_feedback(label(f"x{number}"))
        time.sleep(0.3)
        assert monitor._connection.learner.is_busy
        save_checkpoint(monitor.workspace.path, 3)
        monitor.flush()


def test_the_refusal_of_another_process_applies_to_its_feedback(monitor: SmartMonitor) -> None:
    """The compile is not retried, and the monitor whose feedback it covers gets the error."""
    for number in range(2):
        monitor.collect_feedback(label(f"x{number}"))
    save_checkpoint(monitor.workspace.path, 3, refused="detect_drift broke its contract")
    monitor.collect_feedback(label("x2"))
    with pytest.raises(MonitorError, match="failed: detect_drift broke its contract; the active versions"):
        monitor.flush()


def test_feedback_wakes_all_waiters_immediately(monitor: SmartMonitor) -> None:
    """Feedback from this process needs no read of the log."""

    async def main() -> tuple[list[Event], float]:
        identity = tracked(monitor)
        waiting = [asyncio.create_task(monitor.on_feedback_received(identity)) for _ in range(3)]
        await asyncio.sleep(0.01)
        start = time.perf_counter()
        monitor.workspace.append(label(identity))
        return await asyncio.gather(*waiting), time.perf_counter() - start

    monitor._connection.inbox._run = lambda: None  # type: ignore[method-assign]
    events, took_s = asyncio.run(main())
    assert len({event.id for event in events}) == 1
    assert took_s < 0.1


def test_feedback_of_another_process_is_found(monitor: SmartMonitor, other_process: Workspace) -> None:
    """Feedback arrives before or after the await, in any order, even on executions of other processes."""

    async def main() -> None:
        first, second, third = (tracked(monitor) for _ in range(3))
        other_process.append(label(third), durable=True)
        later = asyncio.create_task(monitor.on_feedback_received(second, timeout=5.0))
        assert (await monitor.on_feedback_received(third, timeout=5.0)).id == f"on-{third}"
        other_process.append(label("stranger"), durable=True)
        other_process.append(label(second), durable=True)
        other_process.append(label(first), durable=True)
        found = [
            await later,
            await monitor.on_feedback_received(first, timeout=5.0),
            await monitor.on_feedback_received("stranger", timeout=5.0),
        ]
        assert [event.id for event in found] == [f"on-{second}", f"on-{first}", "on-stranger"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("drift.false_positive", {"execution_id": "{}"}),
        (
            "model.retrained",
            {"trigger": "drift_alert_{}", "performance_before": 0.8, "performance_after": 0.9},
        ),
        ("monitoring.cost", {"execution_id": "{}", "compute_cost": 0.5}),
        ("monitoring.value_delivered", {"drift_catch": "{}", "prevented_loss": 1, "monitoring_cost": 1}),
        ("alert.response", {"alert_id": "{}", "action_taken": "ignored"}),
        ("alert.usefulness", {"alert_batch": ["a", "{}"], "useful": False}),
    ],
)
def test_all_feedback_that_names_an_execution_or_alert_counts(
    monitor: SmartMonitor, type_: str, data: dict[str, Any]
) -> None:
    """The name of the field does not matter."""
    filled = {
        name: [each.format("x1") for each in value]
        if isinstance(value, list)
        else value.format("x1")
        if isinstance(value, str)
        else value
        for name, value in data.items()
    }

    async def main() -> Event:
        waiting = asyncio.create_task(monitor.on_feedback_received("x1", timeout=5.0))
        await asyncio.sleep(0)
        monitor.workspace.emit(type_, filled)
        return await waiting

    assert asyncio.run(main()).type == type_


def test_an_execution_record_is_not_feedback(monitor: SmartMonitor) -> None:
    """The record has the execution's id, too. The time-out error says that feedback may still arrive."""

    async def main() -> None:
        identity = tracked(monitor)
        monitor.workspace.flush()
        with pytest.raises(TimeoutError, match=f"no feedback on {identity} within 0.3 s"):
            await monitor.on_feedback_received(identity, timeout=0.3)

    asyncio.run(main())


def test_a_canceled_wait_leaves_no_state(monitor: SmartMonitor) -> None:
    """A time-out leaves none either, and both do not prevent other waiters from being woken."""

    async def main() -> Event:
        identity = tracked(monitor)
        cancelled, stays = (asyncio.create_task(monitor.on_feedback_received(identity)) for _ in range(2))
        with pytest.raises(TimeoutError):
            await monitor.on_feedback_received((identity, "other"), timeout=0.01)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert set(monitor._connection.inbox._waiting) == {identity}
        monitor.workspace.append(label(identity))
        return await stays

    assert asyncio.run(main()).type == "drift.validation"
    assert monitor._connection.inbox._waiting == {}


def test_several_loops_in_several_threads_wait_for_one_execution(monitor: SmartMonitor) -> None:
    """Each waiter is woken in its own loop. Closing one loop does not affect the others."""
    identity = tracked(monitor)
    found: list[str] = []

    async def wait() -> None:
        found.append((await monitor.on_feedback_received(identity, timeout=5.0)).id)

    threads = [threading.Thread(target=lambda: asyncio.run(wait())) for _ in range(4)]
    for thread in threads:
        thread.start()
    gone = asyncio.new_event_loop()
    abandoned = gone.create_task(wait())
    gone.run_until_complete(asyncio.sleep(0.05))
    inbox = monitor._connection.inbox
    while len(inbox._waiting.get(identity, ())) < 5:
        time.sleep(0.001)
    left = inbox._waiting[identity]
    abandoned.cancel()
    gone.run_until_complete(asyncio.gather(abandoned, return_exceptions=True))
    gone.close()
    for each in left:  # simulates a loop that is closed between the check and the call
        each.end(label(identity)) if each.loop is gone else None
    monitor.workspace.append(label(identity))
    for thread in threads:
        thread.join(5.0)
    assert found == [f"on-{identity}"] * 4


def test_a_table_gives_a_tuple_of_tracking_ids(monitor: SmartMonitor) -> None:
    """Feedback on any of its columns ends the wait. Unrecorded results cannot be tracked."""
    now, before = {"age": CURRENT, "income": CURRENT}, {"age": REFERENCE, "income": REFERENCE}
    results = monitor.detect_drift_table(now, before)
    identities = monitor.track_execution(results)
    assert identities == tuple(result.execution_id for result in results.values())

    async def main() -> Event:
        waiting = asyncio.create_task(monitor.on_feedback_received(identities, timeout=5.0))
        await asyncio.sleep(0)
        monitor.workspace.append(label(identities[1]))
        return await waiting

    assert asyncio.run(main()).id == f"on-{identities[1]}"
    with pytest.raises(MonitorError, match="has no execution_id"):
        monitor.track_execution(monitor.workspace.registry.version("detect_drift", 1)(CURRENT, REFERENCE))


def test_the_pipeline_returns_immediately_and_collects_feedback(
    monitor: SmartMonitor, other_process: Workspace
) -> None:
    """The pipeline collects all feedback on its executions, even after the loop has ended, and no other."""

    async def main() -> str:
        result = await monitor.monitoring_with_feedback(CURRENT, REFERENCE, feature="age")
        return result.execution_id

    identity = asyncio.run(main())
    other_process.append(label("stranger"), durable=True)
    other_process.append(label(identity), durable=True)
    monitor.workspace.append(label(identity, was_real=True, identity="second thoughts"))
    deadline = time.monotonic() + 5.0
    while len(monitor.feedback_buffer) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert {event.id for event in monitor.feedback_buffer} == {f"on-{identity}", "second thoughts"}


def test_feedback_in_the_buffer_is_not_counted_again_when_the_log_is_read(
    monitor: SmartMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Feedback that is collected, tracked and read back is one event and one learning run."""
    requests: list[int] = []
    monkeypatch.setattr(monitor._connection.learner, "request", lambda: requests.append(1))
    for _ in range(3):
        result = asyncio.run(monitor.monitoring_with_feedback(CURRENT, REFERENCE))
        monitor.collect_feedback(label(result.execution_id))
    time.sleep(0.5)
    assert (requests, monitor.feedback_buffer) == ([1], [])


def test_closing_ends_every_wait_and_may_be_repeated(folder: Path) -> None:
    """Waiters get an error. Another monitor on the same workspace stays open."""
    first, second = SmartMonitor(folder), SmartMonitor(folder)
    first.close()
    first.close()
    assert second.detect_drift(CURRENT, REFERENCE).drifted

    async def main() -> None:
        waiting = asyncio.create_task(second.on_feedback_received(tracked(second)))
        await asyncio.sleep(0.01)
        await asyncio.to_thread(second.close)
        with pytest.raises(MonitorError, match="was closed while feedback was awaited"):
            await waiting
        with pytest.raises(MonitorError, match="the monitor is closed"):
            await second.on_feedback_received("x")

    asyncio.run(main())


def test_a_forked_child_continues(monitor: SmartMonitor) -> None:
    """The child's own inbox reads the log, because the child does not have the parent's thread."""
    tracked(monitor)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            identity = tracked(monitor)
            os.write(writing, identity.encode())
            event = asyncio.run(monitor.on_feedback_received(identity, timeout=5.0))
            os.write(writing, event.type.encode())
        finally:
            os._exit(0)
    os.close(writing)
    identity = os.read(reading, 100).decode()
    monitor.workspace.append(label(identity), durable=True)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() == "drift.validation"
    os.close(reading)


def test_a_compile_does_not_delay_calls(monitor: SmartMonitor) -> None:
    """The compile takes seconds of CPU time in its own process with low priority."""

    def latencies_ms(calls: int) -> list[float]:
        found = []
        for _ in range(calls):
            start = time.perf_counter()
            monitor.detect_drift(CURRENT, REFERENCE)
            found.append(1000.0 * (time.perf_counter() - start))
            time.sleep(0.02)  # a stream at a rate that the recorder sustains
        return found

    latencies_ms(5)
    before = latencies_ms(60)
    for number in range(3):
        monitor.collect_feedback(label(f"x{number}"))
    during: list[float] = []
    while monitor._connection.learner.is_busy:
        during += latencies_ms(5)
    assert len(during) >= 30
    assert np.median(during) <= np.median(before) + 2.0
    assert np.quantile(during, 0.9) <= np.quantile(before, 0.9) + 5.0
