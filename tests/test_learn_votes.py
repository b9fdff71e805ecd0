"""Tests of votes: one per source and execution, capped bursts, and disagreement."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from poet.learning.labels import count_votes

SCHEMA = pa.schema(
    [
        ("position", pa.int64()),
        ("event_id", pa.string()),
        ("source", pa.string()),
        ("time", pa.float64()),
        ("execution_id", pa.string()),
        ("feature", pa.string()),
        ("was_real", pa.bool_()),
        ("origin", pa.string()),
        ("reason", pa.string()),
        ("business_impact", pa.string()),
        ("policy_version", pa.int64()),
        ("drifted", pa.bool_()),
        ("audit", pa.bool_()),
        ("propensity", pa.float64()),
        ("kind", pa.string()),
        ("is_seasonal", pa.bool_()),
        ("n_current", pa.int64()),
        ("n_reference", pa.int64()),
    ]
)


def vote(execution: str, *, real: bool = True, source: str = "user/ana", **more: Any) -> dict[str, Any]:
    """Return a vote on a recorded alert."""
    recorded = {
        "policy_version": 1,
        "drifted": True,
        "audit": False,
        "propensity": 1.0,
        "kind": "numeric",
        "is_seasonal": True,
        "n_current": 100,
        "n_reference": 1_000,
    }
    vote = {"source": source, "execution_id": execution, "feature": "age", "was_real": real}
    return recorded | vote | {"origin": "validation", "time": 0.0} | more


def table(*votes: dict[str, Any]) -> pa.Table:
    """Return a table of votes, numbered in order unless they have a position."""
    rows = [{"position": n, "event_id": f"e{n}"} | row for n, row in enumerate(votes, start=1)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def test_the_last_vote_of_a_source_counts() -> None:
    """A source that revises its vote has one vote, the later one, for any order of rows."""
    changed = table(vote("x", real=True), vote("x", real=False))
    for rows in (changed, changed.take([1, 0])):
        label_table = count_votes(rows)
        assert label_table.label.tolist() == [0.0]
        assert label_table.first_label.tolist() == [1.0]
        assert label_table.n_sources.tolist() == [1]


def test_sources_have_equal_weight_for_any_number_of_votes() -> None:
    """The label is the mean over sources, not over votes."""
    label_table = count_votes(
        table(
            vote("x", source="a"),
            vote("x", source="a"),
            vote("x", source="b", real=False),
            vote("x", source="c"),
        )
    )
    assert label_table.label.tolist() == pytest.approx([2 / 3])
    assert label_table.sources.tolist() == [("a", "b", "c")]
    assert label_table.disagreement.tolist() == pytest.approx([2 / 3])


def test_an_execution_has_the_position_of_its_last_counted_vote() -> None:
    """A revised execution comes after one that was labeled before the revision."""
    label_table = count_votes(table(vote("x"), vote("y"), vote("x", real=False)))
    assert label_table.execution_ids.tolist() == ["y", "x"]
    assert label_table.positions.tolist() == [2, 3]
    assert label_table.first_positions.tolist() == [2, 1]
    assert label_table.event_ids.tolist() == ["e2", "e3"]


def test_a_burst_of_one_source_is_capped_by_the_hour() -> None:
    """Votes of an hour beyond the limit are excluded and noted; other hours and sources are unaffected."""
    flood = [vote(f"x{n}", source="bot", time=10.0 * n) for n in range(60)]
    label_table = count_votes(table(*flood, vote("y", source="bot", time=3_700.0), vote("z")), burst_limit=50)
    assert len(label_table) == 52
    assert label_table.excluded_votes == {"bot": 10}
    assert "10 labels from bot beyond its burst limit are ignored" in label_table.notes
    assert label_table.votes_by_source == {"bot": 51, "user/ana": 1}


def test_revisions_are_not_a_burst() -> None:
    """Sixty votes on one execution are one vote."""
    label_table = count_votes(table(*(vote("x", real=n % 2 == 0) for n in range(60))), burst_limit=1)
    assert label_table.label.tolist() == [0.0]
    assert label_table.excluded_votes == {}


def test_a_source_can_be_left_out() -> None:
    """The labels of the others are the same as without its votes."""
    rows = table(vote("x", source="a"), vote("x", source="b", real=False), vote("y", source="a"))
    without = count_votes(rows, without={"a"})
    assert without.execution_ids.tolist() == ["x"]
    assert without.label.tolist() == [0.0]


def test_a_vote_on_an_unrecorded_execution_is_marked() -> None:
    """Nulls become defined values."""
    unknown: Any = dict.fromkeys(
        (
            "policy_version",
            "drifted",
            "audit",
            "propensity",
            "kind",
            "is_seasonal",
            "n_current",
            "n_reference",
        )
    )
    label_table = count_votes(table(vote("x", feature=None, **unknown)))
    assert label_table.is_recorded.tolist() == [False]
    assert np.isnan(label_table.propensity).tolist() == [True]
    assert (label_table.features[0], label_table.kinds[0], label_table.n_reference[0]) == ("", "", 0)


def test_a_label_is_unsolicited_if_all_votes_report_a_miss() -> None:
    """A single requested label makes it a requested one."""
    label_table = count_votes(
        table(
            vote("x", origin="missed"),
            vote("y", origin="missed", source="a"),
            vote("y", origin="validation", source="b"),
        )
    )
    assert dict(zip(label_table.execution_ids, label_table.unsolicited, strict=True)) == {
        "x": True,
        "y": False,
    }


def test_the_label_has_the_highest_impact() -> None:
    """One source that reports a critical impact is enough."""
    votes = [vote("x", source=f"s{n}", business_impact=i) for n, i in enumerate(("low", "critical", None))]
    assert count_votes(table(*votes)).impact.tolist() == ["critical"]


def test_no_votes_give_an_empty_table() -> None:
    """An empty table is not a special case."""
    label_table = count_votes(table())
    assert len(label_table) == 0
    assert label_table.notes == ("0 of 0 labels count; they cover 0 executions",)
