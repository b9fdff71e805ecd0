"""Of a long log the newest pages are read; where they begin follows from the log alone."""

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

PAGE = 20
SCORES = {"ks/raw": {"statistic": 0.2, "p_value": 0.01}}


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "EPOCH_SIZE", PAGE)
    monkeypatch.setattr(epochs, "MIN_FEEDBACK", 10)


def sealed(folder: Path, executions: int, *, answered: int) -> Path:
    """Seal executions, of which every so many have a validation behind them; sixty events at a time."""
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


def lot(first: int, last: int) -> list[Event]:
    """Give executions with a validation each."""
    numbers = range(first, last)
    return [event for number in numbers for event in (execution(number, scores=SCORES), validation(number))]


def test_the_newest_whole_page_and_the_open_one_are_read(tmp_path: Path) -> None:
    """Votes, executions, scores and feedback of the same log positions."""
    folder = sealed(tmp_path, 55, answered=1)
    found = summarise(folder)
    assert found.log_position == 110
    assert found.first_epoch == 5
    for table in (found.recorded, found.votes, found.events("drift.validation")):
        assert min(table["position"].to_pylist()) in (81, 82)
    assert found.counts == {"drift.validation": 15, "execution.recorded": 15}
    assert set(found.scores["execution_id"].to_pylist()) == set(found.recorded["execution_id"].to_pylist())


def test_a_short_log_is_read_as_a_whole(tmp_path: Path) -> None:
    """Up to the end of its second page."""
    folder = sealed(tmp_path, 20, answered=1)
    assert [summarise(folder, until=until).first_epoch for until in (1, 20, 39, 40)] == [1, 1, 1, 2]
    assert summarise(folder, until=39).recorded.num_rows == 20


def test_thin_feedback_is_sought_further_back(tmp_path: Path) -> None:
    """Until there is enough of it, or the log begins."""
    folder = sealed(tmp_path, 100, answered=4)
    found = summarise(folder)
    assert found.counts["drift.validation"] >= 10
    assert 1 < found.first_epoch < 5
    assert summarise(sealed(tmp_path / "thinner", 110, answered=30)).first_epoch == 1


def test_what_poet_writes_itself_is_no_feedback(tmp_path: Path) -> None:
    """However many alerts were raised: feedback is sought further back all the same."""
    alerts = [make("alert.raised", {"alert_id": f"a{number}"}, source="poet") for number in range(60)]
    found = summaries_of(tmp_path, [*lot(0, 30), *alerts])
    assert found.first_epoch < 5
    assert found.counts["drift.validation"] >= 10


def test_where_reading_begins_follows_from_the_log_alone(tmp_path: Path) -> None:
    """Not from how far it was sealed, or in which parts: a version can be learned again."""
    folder = sealed(tmp_path, 55, answered=1)
    early, other = summarise(folder, until=80), summaries_of(tmp_path / "other", lot(0, 40))
    assert early.first_epoch == other.first_epoch == 4
    for name in ("votes", "recorded", "scores", "log_prefix", "counts", "newest_time"):
        assert _plain(early, name) == _plain(other, name)


def test_the_shares_of_all_pages_are_the_risk() -> None:
    """Each epoch_index has its own, the first the most."""
    shares = [epoch_alpha(epoch_index) for epoch_index in range(1, 100_001)]
    assert sum(shares) == pytest.approx(1.0, abs=1e-5)
    assert sum(shares) <= 1.0
    assert shares == sorted(shares, reverse=True)


def test_the_first_beginning_elsewhere_is_told_to_the_log_once(tmp_path: Path) -> None:
    """Its number is 2, whichever page it is, and the page after it is number 3."""
    with filled_log(tmp_path / "log", lot(0, 55)) as log:
        assert [pipeline.summaries_of(log, tmp_path / "segments").epoch_index for _ in range(2)] == [2, 2]
        (begun,) = (each.event for each in log.read() if each.event.type == "learning.epoch_started")
        assert (begun.source, json.loads(begun.raw)["data"]) == ("poet", {"epoch": 5})
        log.append(lot(55, 65), durable=True)
        later = pipeline.summaries_of(log, tmp_path / "segments")
        assert (later.first_epoch, later.epoch_index, later.is_start_recorded) == (6, 3, True)
        assert log.position() == 131
    assert summarise(tmp_path / "segments", until=110).epoch_index == 2
    assert summarise(tmp_path / "segments", until=30).epoch_index == 1


def test_reading_never_goes_back_behind_where_it_first_began(tmp_path: Path) -> None:
    """However thin feedback becomes: where it began there was enough."""
    with filled_log(tmp_path / "log", lot(0, 55)) as log:
        pipeline.summaries_of(log, tmp_path / "segments")
        log.append([execution(number) for number in range(100, 300)], durable=True)
        found = pipeline.summaries_of(log, tmp_path / "segments")
        assert (found.first_epoch, found.epoch_index) == (5, 2)


def test_a_page_that_is_not_there_yet_is_not_heard_of(tmp_path: Path) -> None:
    """Nobody can say beforehand where learners began."""
    lie = make("learning.epoch_started", {"epoch": 5}, source="user/anybody")
    assert not summaries_of(tmp_path, [lie, *lot(0, 55)]).is_start_recorded


def test_a_later_page_asks_for_more_evidence(tmp_path: Path) -> None:
    """By what its share of the risk is smaller; the workspace's own risk is what decisions tell of."""
    found = summaries_of(tmp_path, scenario.events()[:30])
    spec, configuration = policy("generate_alerts"), LearnConfiguration()
    decided = [
        learn(spec, replace(found, epoch_index=number), spec.version_1(spec.starts[0]), configuration)
        for number in (1, 3)
    ]
    assert {each.configuration["risk"] for each in decided} == {configuration.risk}
    bars = [
        {
            rule.id: rule.evidence.e_value_threshold
            for rule in each.rules
            if rule.evidence and rule.evidence.e_value_threshold
        }
        for each in decided
    ]
    assert bars[0].keys() == bars[1].keys() != set()
    for rule, bar in bars[0].items():
        assert bars[1][rule] / bar == pytest.approx(epoch_alpha(1) / epoch_alpha(3), rel=1e-4)


def _plain(summaries: Summaries, name: str) -> object:
    value = getattr(summaries, name)
    return value.to_pylist() if hasattr(value, "to_pylist") else value
