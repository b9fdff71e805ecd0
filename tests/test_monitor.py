"""Tests of `@poet` on functions: the active version answers, or else the function's own body."""

import inspect
import itertools
import logging
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
from numpy.typing import NDArray

import poet as package
from poet import Workspace, poet
from poet.monitor.connection import connect
from poet.spec import policy as spec_of
from poet_runtime.errors import MonitorError
from poet_runtime.results import DriftResult
from tests.handmade import write_registry, write_version
from tests.workspaces import first_workspace

Sample = NDArray[np.float64]
CHANCE = np.random.default_rng(7)
CURRENT: Sample = CHANCE.normal(3.0, 1.0, 60)
REFERENCE: Sample = CHANCE.normal(0.0, 1.0, 300)
SAMPLES = (CURRENT, REFERENCE)
RAISING = """
VERSION = {number}


def {policy}(current, reference, *, feature="", current_times=None, reference_times=None, context=None):
    if feature == "bad":
        raise ZeroDivisionError("learned nonsense")
    return VERSION, feature
"""


def test_the_package_and_the_decorator_share_their_name() -> None:
    """Both `import poet; poet_runtime` and `from poet import poet` work."""
    found: dict[str, Any] = {}
    exec("import poet; import poet_runtime.results; results = poet_runtime.results", found)  # noqa: S102
    assert found["results"].DriftResult is DriftResult
    assert found["poet"] is package
    assert package.poet is poet


def test_without_a_workspace_the_body_answers(tmp_path: Path) -> None:
    """The result is returned unchanged, and keywords of the policy do not reach the body."""

    @poet(workspace=tmp_path)
    def detect_drift(current_data: Sample, reference_data: Sample) -> dict[str, bool]:
        return {"drift": bool(current_data.mean() > reference_data.mean() + 1.0)}

    assert detect_drift(CURRENT, REFERENCE) == {"drift": True}
    assert detect_drift(CURRENT, REFERENCE, feature="age") == {"drift": True}  # type: ignore[call-arg]
    assert (detect_drift.version, detect_drift.policy, detect_drift.fallbacks) == (0, "detect_drift", 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f(CURRENT, REFERENCE, feature="age"),
        lambda f: f(CURRENT, reference_data=REFERENCE, feature="age"),
        lambda f: f(reference_data=REFERENCE, current_data=CURRENT, feature="age"),
        lambda f: f(reference=REFERENCE, current=CURRENT, feature="age"),
    ],
)
def test_the_active_version_answers_every_way_of_calling(
    tmp_path: Path, call: Callable[[Any], DriftResult]
) -> None:
    """Arguments are positional, or named as in the function or the policy, with the policy's keywords."""

    @poet(workspace=first_workspace(tmp_path / "w"))
    def detect_drift(current_data: Sample, reference_data: Sample) -> bool:
        raise AssertionError(current_data, reference_data)

    result = call(detect_drift)
    assert (result.policy_version, result.drifted, result.feature) == (1, True, "age")
    assert result.profile is not None
    assert (result.profile.n_current, result.profile.n_reference) == (60, 300)
    assert result.execution_id
    assert detect_drift.version == 1


def test_parameters_correspond_by_name(tmp_path: Path) -> None:
    """The order in the signature does not matter. The function's defaults apply to the policy."""

    @poet(workspace=first_workspace(tmp_path / "w"), policy="detect_drift")
    def watch_ages(reference: Sample, recent: Sample, feature: str = "age", alpha: float = 0.05) -> Any:
        raise AssertionError(reference, recent, feature, alpha)

    result = watch_ages(REFERENCE, CURRENT, alpha=0.01)
    assert (result.profile.n_current, result.profile.n_reference, result.feature) == (60, 300, "age")


def test_a_body_that_takes_any_keyword_gets_them_all(tmp_path: Path) -> None:
    """The policy gets those that it knows, and repeated calls have the same meaning."""

    def body(current: Sample, reference: Sample, /, scale: float = 1.0, **rest: Any) -> Any:
        return len(current), len(reference), scale, rest

    alone: Any = poet(workspace=tmp_path, policy="detect_drift")(body)
    decorated: Any = poet(workspace=first_workspace(tmp_path / "w"), policy="detect_drift")(body)
    for scale in (2.0, 3.0):
        arguments = {"scale": scale, "feature": f"age {scale}", "unit": "years"}
        assert alone(*SAMPLES, **arguments) == (60, 300, scale, {"feature": f"age {scale}", "unit": "years"})
        assert decorated(*SAMPLES, **arguments).feature == f"age {scale}"
    assert alone(*SAMPLES) == (60, 300, 1.0, {})


def test_a_call_with_wrong_arguments_is_a_type_error(tmp_path: Path) -> None:
    """An active version makes no difference."""
    for folder in (tmp_path / "none", first_workspace(tmp_path / "w")):

        @poet(workspace=folder)
        def detect_drift(current_data: Sample, reference_data: Sample) -> bool:
            return bool(current_data is reference_data)

        wrong: Any = detect_drift
        with pytest.raises(TypeError, match="unexpected keyword argument 'featur'"):
            wrong(*SAMPLES, featur="age")
        with pytest.raises(TypeError, match="missing a required argument: 'reference_data'"):
            wrong(CURRENT)
        with pytest.raises(TypeError, match="multiple values for argument 'current_data'"):
            wrong(CURRENT, REFERENCE, current=CURRENT)
        with pytest.raises(TypeError, match="multiple values for argument 'current_data'"):
            wrong(current_data=CURRENT, reference=REFERENCE, current=CURRENT)


def test_if_a_version_raises_the_body_answers(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The failure is counted and logged with the version's name and the traceback."""
    folder = first_workspace(tmp_path / "w")
    source = RAISING.format(policy="detect_drift", number=2)
    entry = write_version(folder / "generated", "detect_drift", 2, source=source)
    write_registry(folder / "generated", {"detect_drift": 2}, {"detect_drift": {"2": entry}})

    @poet(workspace=folder)
    def detect_drift(current_data: Sample, reference_data: Sample, feature: str = "") -> Any:
        return len(current_data), len(reference_data), feature

    assert detect_drift(CURRENT, REFERENCE, feature="good") == (2, "good")
    with caplog.at_level(logging.WARNING, "poet.monitor"):
        assert detect_drift(CURRENT, REFERENCE, feature="bad") == (60, 300, "bad")
    assert detect_drift.fallbacks == 1
    assert "ZeroDivisionError('learned nonsense')" in caplog.text
    assert "detect_drift_v2.py" in caplog.text


def test_the_bodys_own_drift_results_are_recorded_as_version_0(tmp_path: Path) -> None:
    """Feedback can cite them, so that version 1 can be learned."""
    with Workspace.open(first_workspace(tmp_path / "w", without=("detect_drift",))) as workspace:

        @poet(workspace=workspace, learning="manual")
        def detect_drift(current_data: Sample, reference_data: Sample) -> DriftResult:
            gap = float(current_data.mean() - reference_data.mean())
            return DriftResult(drifted=gap > 1.0, score=gap, threshold=1.0, test="gap")

        result = detect_drift(CURRENT, reference_data=REFERENCE)
        workspace.flush()
        (stored,) = workspace.log.read()
        data: Any = stored.event.data
        assert (data.execution_id, data.version, data.test) == (result.execution_id, 0, "gap")
        assert "ks/raw" in data.scores
        connect(workspace).release()


def test_a_workspace_that_is_created_later_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is checked again after a second."""
    monkeypatch.chdir(tmp_path)

    @poet()
    def detect_drift(current_data: Sample, reference_data: Sample) -> Any:
        return current_data is reference_data

    assert (detect_drift(*SAMPLES), detect_drift.version) == (False, 0)
    first_workspace(tmp_path / "w").rename(tmp_path / "aside")
    for path in (tmp_path / "aside").iterdir():
        path.rename(tmp_path / path.name)
    monkeypatch.setattr("poet.monitor.function.monotonic", lambda: time.monotonic() + 1.0)
    assert detect_drift(*SAMPLES).policy_version == 1


def test_an_unusable_workspace_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program continues with its own body if poet.toml is invalid."""
    folder = first_workspace(tmp_path / "w")
    (folder / "poet.toml").write_text("start = ", encoding="utf-8")
    seconds = itertools.count(10)
    monkeypatch.setattr("poet.monitor.function.monotonic", lambda: time.monotonic() + 10 * next(seconds))

    @poet(workspace=folder)
    def detect_drift(current_data: Sample, reference_data: Sample) -> bool:
        return current_data is reference_data

    with caplog.at_level(logging.WARNING, "poet.monitor"):
        assert [detect_drift(*SAMPLES) for _ in range(3)] == [False, False, False]
    assert len(caplog.records) == 1


class Checkout:
    """A class with monitors as methods."""

    @poet(learning="manual")
    def detect_drift(self, current_data: Sample, reference_data: Sample) -> tuple[str, int, int]:
        """Compare two samples."""
        return type(self).__name__, len(current_data), len(reference_data)

    @staticmethod
    @poet(learning="manual", policy="detect_drift")
    def inner(current_data: Sample, reference_data: Sample) -> tuple[int, int]:
        """Compare two samples."""
        return len(current_data), len(reference_data)

    @poet(learning="manual", policy="detect_drift")
    @staticmethod
    def outer(current_data: Sample, reference_data: Sample) -> tuple[int, int]:
        """Compare two samples."""
        return len(current_data), len(reference_data)

    @classmethod
    @poet(learning="manual", policy="detect_drift")
    def of_class(cls, current_data: Sample, reference_data: Sample) -> tuple[str, int, int]:
        """Compare two samples."""
        return cls.__name__, len(current_data), len(reference_data)


@poet(learning="manual")
def detect_drift(current_data: Sample, reference_data: Sample) -> bool:
    """Compare two samples."""
    return len(current_data) > len(reference_data)


def test_methods_of_all_kinds_are_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The body gets its instance, and the policy its samples."""
    monkeypatch.chdir(tmp_path)
    checkout = Checkout()
    assert checkout.detect_drift(*SAMPLES) == ("Checkout", 60, 300)
    assert checkout.detect_drift(reference_data=REFERENCE, current_data=CURRENT) == ("Checkout", 60, 300)
    assert Checkout.detect_drift(checkout, *SAMPLES) == ("Checkout", 60, 300)
    loosely: Any = Checkout  # mypy does not look into static and class methods that are not functions
    assert loosely.inner(*SAMPLES) == loosely().outer(*SAMPLES) == (60, 300)
    assert loosely.of_class(*SAMPLES) == ("Checkout", 60, 300)
    assert checkout.detect_drift.version == 0
    assert checkout.detect_drift.__doc__ == "Compare two samples."


def test_the_active_version_answers_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each method passes the samples in the right order."""
    first_workspace(tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")

    class Here:
        @poet(learning="manual")
        def detect_drift(self, current_data: Sample, reference_data: Sample) -> Any:
            raise AssertionError(current_data, reference_data)

        @classmethod
        @poet(learning="manual", policy="detect_drift")
        def of_class(cls, current_data: Sample, reference_data: Sample) -> Any:
            raise AssertionError(current_data, reference_data)

        @poet(learning="manual", policy="detect_drift")
        @staticmethod
        def alone(current_data: Sample, reference_data: Sample) -> Any:
            raise AssertionError(current_data, reference_data)

    loosely: Any = Here
    for function in (Here().detect_drift, loosely.of_class, loosely.alone):
        profile = function(CURRENT, REFERENCE).profile
        assert (profile.n_current, profile.n_reference) == (60, 300)


def test_the_function_keeps_its_metadata() -> None:
    """The decorated function has its name, documentation, signature and module, and can be pickled."""
    assert (detect_drift.__name__, detect_drift.__doc__) == ("detect_drift", "Compare two samples.")  # type: ignore[attr-defined]
    assert list(inspect.signature(detect_drift).parameters) == ["current_data", "reference_data"]
    assert pickle.loads(pickle.dumps(detect_drift)) is detect_drift  # noqa: S301 -- our own bytes
    assert detect_drift.__wrapped__(*SAMPLES) is False
    assert repr(detect_drift).startswith("<detect_drift with the body <function detect_drift")


def test_type_checkers_see_the_users_own_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The type checker checks it when it reads this file."""
    monkeypatch.chdir(tmp_path)
    assert_type(detect_drift(CURRENT, REFERENCE), bool)
    assert_type(Checkout().detect_drift(CURRENT, REFERENCE), tuple[str, int, int])
    assert_type(Checkout.outer(CURRENT, REFERENCE), tuple[int, int])
    with pytest.raises(TypeError):
        detect_drift(CURRENT)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Checkout().detect_drift(CURRENT)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"domain": "weather"}, "unknown domain 'weather'; known are ml_monitoring"),
        ({"learning": "eager"}, "unknown learning mode 'eager'; known are continuous, manual"),
        (
            {"treshold": 3},
            "got unknown options treshold; known are domain, learning, learning_threshold, workspace, policy",
        ),
        ({"learning_threshold": 0}, "learning_threshold is 0; use a number of events, at least 1"),
        ({"learning_threshold": True}, "learning_threshold is True"),
        ({"policy": "detect_drft"}, "no policy is called 'detect_drft', known are detect_drift, "),
    ],
)
def test_unknown_options_are_refused_at_decoration(keywords: dict[str, Any], message: str) -> None:
    """The error lists the known ones."""
    with pytest.raises(MonitorError, match=message):

        @poet(**keywords)
        def detect_drift(current: Sample, reference: Sample) -> bool:
            return current is reference


def one(data: Sample) -> bool:
    """Take too few arguments."""
    return bool(data.size)


def three(model: str, now: Sample, before: Sample) -> bool:
    """Take too many arguments."""
    return bool(model and now.size and before.size)


def anything(*samples: Sample) -> bool:
    """Take any arguments."""
    return bool(samples)


async def awaited(current: Sample, reference: Sample) -> bool:
    """Be a coroutine."""
    return current is reference


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (one, "has no reference; a body for detect_drift takes current, reference in this order"),
        (three, "requires before; a body for detect_drift"),
        (anything, "has no current, reference"),
        (awaited, "detect_drift is asynchronous"),
        (dict, "dict is not an agent; derive it from poet.SmartMonitor"),
        (3, "cannot decorate 3; decorate a function or a class"),
    ],
)
def test_an_unsuitable_body_is_refused_at_decoration(target: Any, message: str) -> None:
    """The error names the parameter that does not fit."""
    with pytest.raises(MonitorError, match=message):
        poet(policy="detect_drift")(target)


def test_the_agents_methods_have_the_signatures_of_all_versions(tmp_path: Path) -> None:
    """The decorator gets the signatures from them before there is a version."""
    from poet_runtime.policies.policy import runtime_policy

    with Workspace.open(first_workspace(tmp_path / "w")) as workspace:
        for name in workspace.registry.names():
            version = inspect.signature(workspace.policy(name)).parameters.values()
            ours = runtime_policy(name).signature
            assert ours is not None
            assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
                (p.name, p.kind, p.default) for p in version
            ]


def test_the_policy_of_a_plug_in_has_the_signature_of_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before there is a version, the body is called with the arguments as given."""
    spec = replace(spec_of("generate_alerts"), name="choose_backoff", domain="retries")
    monkeypatch.setattr("poet.monitor.decorator.spec_of", lambda _name: spec)
    monkeypatch.setattr("poet.monitor.connection.domains", lambda: ("ml_monitoring", "retries"))
    monkeypatch.setattr("poet.monitor.function.RETRY_S", 0.0)
    folder = first_workspace(tmp_path / "w")

    @poet(domain="retries", workspace=folder, learning="manual")
    def choose_backoff(tries: int, what: str = "http") -> tuple[int, str]:
        return tries, what

    later: Any = choose_backoff
    assert (later(3), later(tries=4), later.version) == ((3, "http"), (4, "http"), 0)
    with pytest.raises(TypeError):
        later(3, jitter=True)
    source = (
        "VERSION = 1\ndef choose_backoff(attempt, *, jitter=False):\n    return attempt, jitter, VERSION\n"
    )
    entry = write_version(folder / "generated", "choose_backoff", 1, source=source)
    write_registry(folder / "generated", {"choose_backoff": 1}, {"choose_backoff": {"1": entry}})
    assert (later(3, "smtp"), later(tries=4, jitter=True)) == ((3, False, 1), (4, True, 1))
    with pytest.raises(MonitorError, match="belongs to the domain 'retries', not to 'ml_monitoring'"):
        poet(policy="choose_backoff")(choose_backoff.__wrapped__)


def test_feedback_from_any_source_starts_learning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The threshold counts the feedback in the log from every writer, and no executions."""
    compiled = threading.Event()
    monkeypatch.setattr("poet.monitor.learner.LOOK_S", 0.02)
    monkeypatch.setattr("poet.monitor.learner.Learner._compile", lambda *_: compiled.set())
    folder = first_workspace(tmp_path / "w")

    @poet(workspace=folder, learning_threshold=3)
    def detect_drift(current_data: Sample, reference_data: Sample) -> Any:
        return current_data is reference_data

    for _ in range(5):
        detect_drift(*SAMPLES)
    with Workspace.open(folder) as other_process:
        label = {"execution_id": "x", "was_real_drift": False}
        for number in range(2):
            other_process.emit("drift.validation", label, id=f"v{number}", durable=True)
        assert not compiled.wait(0.3)
        other_process.emit("drift.validation", label, id="v3", durable=True)
        assert compiled.wait(5.0)
    connection = connect(folder)
    connection.holders = 1
    connection.release()


def test_decorating_does_not_load_the_compiler() -> None:
    """The body does not load it either while there is no workspace."""
    code = (
        "import sys; from poet import poet\n"
        "@poet(workspace='/nowhere')\n"
        "def detect_drift(a, b): return False\n"
        "heavy = ('libcst', 'jinja2', 'hypothesis', 'ibis', 'duckdb', 'pyarrow', 'scipy')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert ended.stdout.strip() == "[]"
