"""Learners read the newest epochs of a long log; the first of them depends only on the log."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from poet.events import Event, make
from poet.learning.configuration import LearnConfiguration
from poet.learning.learn import learn
from poet.spec import policy
from poet.stats import epoch_alpha
from poet.summaries import Summaries, epochs, seal, summarise
from poet.workspace import pipeline
from tests.builders import execution, filled_log, summaries_of, validation
from tests.policies.generate_alerts import scenario

EPOCH_SIZE = 20
SCORES = {"ks/raw": {"statistic": 0.2, "p_value": 0.01}}


@pytest.fixture(autouse=True)
def _small_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "EPOCH_SIZE", EPOCH_SIZE)
    monkeypatch.setattr(epochs, "MIN_FEEDBACK", 10)


def sealed(folder: Path, executions: int, *, answered: int) -> Path:
    """Seal executions, one in `answered` with a label, sixty events at a time."""
    events = []
    for number in range(executions):
        events.append(execution(number, scores=SCORES))
        if number % answered == 0:
            events.append(validation(number))
    with filled_log(folder / "log", []) as log:
        for begin in range(0, len(events), 60):
            log.append(events[begin : begin + 60], durable=True)
            seal(log, folder / "segments")
    return folder / "segments"


def labeled(first: int, last: int) -> list[Event]:
    """Return executions with one label each."""
    numbers = range(first, last)
    return [event for number in numbers for event in (execution(number, scores=SCORES), validation(number))]


def test_the_newest_complete_epoch_and_the_open_one_are_read(tmp_path: Path) -> None:
    """Votes, executions, scores and feedback come from the same log positions."""
    folder = sealed(tmp_path, 55, answered=1)
    found = summarise(folder)
    assert found.log_position == 110
    assert found.first_epoch == 5
    for table in (found.recorded, found.votes, found.events("drift.validation")):
        assert min(table["position"].to_pylist()) in (81, 82)
    assert found.counts == {"drift.validation": 15, "execution.recorded": 15}
    assert set(found.scores["execution_id"].to_pylist()) == set(found.recorded["execution_id"].to_pylist())


def test_a_short_log_is_read_as_a_whole(tmp_path: Path) -> None:
    """A log is short until its second epoch is complete."""
    folder = sealed(tmp_path, 20, answered=1)
    assert [summarise(folder, until=until).first_epoch for until in (1, 20, 39, 40)] == [1, 1, 1, 2]
    assert summarise(folder, until=39).recorded.num_rows == 20


def test_sparse_feedback_extends_the_window_backwards(tmp_path: Path) -> None:
    """Earlier epochs are added until there is enough feedback or the log starts."""
    folder = sealed(tmp_path, 100, answered=4)
    found = summarise(folder)
    assert found.counts["drift.validation"] >= 10
    assert 1 < found.first_epoch < 5
    assert summarise(sealed(tmp_path / "thinner", 110, answered=30)).first_epoch == 1


def test_telemetry_is_not_feedback(tmp_path: Path) -> None:
    """However many alerts were raised, the window extends until there is enough feedback."""
    alerts = [make("alert.raised", {"alert_id": f"a{number}"}, source="poet") for number in range(60)]
    found = summaries_of(tmp_path, [*labeled(0, 30), *alerts])
    assert found.first_epoch < 5
    assert found.counts["drift.validation"] >= 10


def test_the_first_epoch_depends_only_on_the_log(tmp_path: Path) -> None:
    """It does not depend on the sealing, so a version can be relearned."""
    folder = sealed(tmp_path, 55, answered=1)
    early, other = summarise(folder, until=80), summaries_of(tmp_path / "other", labeled(0, 40))
    assert early.first_epoch == other.first_epoch == 4
    for name in ("votes", "recorded", "scores", "log_prefix", "counts", "newest_time"):
        assert _plain(early, name) == _plain(other, name)


def test_the_shares_of_all_epochs_sum_to_the_risk() -> None:
    """Each epoch has its own share, and the first has the largest."""
    shares = [epoch_alpha(epoch_index) for epoch_index in range(1, 100_001)]
    assert sum(shares) == pytest.approx(1.0, abs=1e-5)
    assert sum(shares) <= 1.0
    assert shares == sorted(shares, reverse=True)


def test_the_first_later_start_is_recorded_once(tmp_path: Path) -> None:
    """Its epoch index is 2 whichever epoch it is, and the next epoch has index 3."""
    with filled_log(tmp_path / "log", labeled(0, 55)) as log:
        assert [pipeline.summaries_of(log, tmp_path / "segments").epoch_index for _ in range(2)] == [2, 2]
        (started,) = (each.event for each in log.read() if each.event.type == "learning.epoch_started")
        assert (started.source, json.loads(started.raw)["data"]) == ("poet", {"epoch": 5})
        log.append(labeled(55, 65), durable=True)
        later = pipeline.summaries_of(log, tmp_path / "segments")
        assert (later.first_epoch, later.epoch_index, later.is_start_recorded) == (6, 3, True)
        assert log.position() == 131
    assert summarise(tmp_path / "segments", until=110).epoch_index == 2
    assert summarise(tmp_path / "segments", until=30).epoch_index == 1


def test_the_window_never_extends_before_the_recorded_start(tmp_path: Path) -> None:
    """There was enough feedback from there on, however sparse it becomes."""
    with filled_log(tmp_path / "log", labeled(0, 55)) as log:
        pipeline.summaries_of(log, tmp_path / "segments")
        log.append([execution(number) for number in range(100, 300)], durable=True)
        found = pipeline.summaries_of(log, tmp_path / "segments")
        assert (found.first_epoch, found.epoch_index) == (5, 2)


def test_the_record_of_a_future_epoch_is_ignored(tmp_path: Path) -> None:
    """No one can know in advance where learners will start."""
    record = make("learning.epoch_started", {"epoch": 5}, source="user/anybody")
    assert not summaries_of(tmp_path, [record, *labeled(0, 55)]).is_start_recorded


def test_a_later_epoch_needs_more_evidence(tmp_path: Path) -> None:
    """Thresholds grow as the share shrinks. The decisions contain the workspace's own risk."""
    found = summaries_of(tmp_path, scenario.events()[:30])
    spec, configuration = policy("generate_alerts"), LearnConfiguration()
    decided = [
        learn(spec, replace(found, epoch_index=number), spec.version_1(spec.starts[0]), configuration)
        for number in (1, 3)
    ]
    assert {each.configuration["risk"] for each in decided} == {configuration.risk}
    thresholds = [
        {
            rule.id: rule.evidence.e_value_threshold
            for rule in each.rules
            if rule.evidence and rule.evidence.e_value_threshold
        }
        for each in decided
    ]
    assert thresholds[0].keys() == thresholds[1].keys() != set()
    for rule, threshold in thresholds[0].items():
        assert thresholds[1][rule] / threshold == pytest.approx(epoch_alpha(1) / epoch_alpha(3), rel=1e-4)


def _plain(summaries: Summaries, name: str) -> object:
    value = getattr(summaries, name)
    return value.to_pylist() if hasattr(value, "to_pylist") else value
