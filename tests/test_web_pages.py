"""Tests of the pages and their forms without a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from poet.build.compare import Against, Flips, Side
from poet.events import new_id
from poet.review.document import Entry, PlanDocument
from poet.server.proposals import Proposal
from poet.spec.decisions import Evidence, Interval, Rule
from poet_runtime.drift.sample_sketch import read_sketch, sketch
from poet_runtime.registry import read_document, read_journal
from tests.builders import planned
from tests.served import PAGE, Served, envelope, execution, served
from tests.workspaces import GENERATED


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Served]:
    """Yield a client of a served workspace."""
    with served(tmp_path / "ws") as client:
        yield client


def with_second_version(generated: Path) -> None:
    """Publish this repository's second version of detect_drift, which is not active yet."""
    own = read_document(GENERATED).policies["detect_drift"].versions
    for suffix in (".py", ".json"):
        shutil.copy(GENERATED / f"detect_drift_v2{suffix}", generated)
    document = read_document(generated)
    entry = msgspec.structs.replace(document.policies["detect_drift"], versions=own)
    document = msgspec.structs.replace(document, policies=document.policies | {"detect_drift": entry})
    (generated / "registry.json").write_bytes(msgspec.json.encode(document))


def text_of(client: Served, address: str) -> str:
    """Return the text of a page."""
    response = client.get(address, headers=PAGE)
    assert response.status_code == 200, response.text
    return response.text


def test_an_empty_workspace_explains_the_first_step(client: Served) -> None:
    """The overview shows a command that sends an event, and the inbox says that it is empty."""
    assert "curl" in text_of(client, "/")
    assert "Inbox is empty" in text_of(client, "/inbox")


def test_the_inbox_records_labels(client: Served) -> None:
    """The label is recorded under the user's name, and the next item follows."""
    for number in (1, 2):
        client.post("/v1/events", json=execution(number))
    token = client.form_token()
    assert "feature 2" in text_of(client, "/inbox")
    data = {"form_token": token, "label": "false", "reason": "deployment", "following": "1"}
    response = client.post("/executions/2", data=data)
    assert response.headers["location"] == "/inbox?at=1&noted=false"
    label = client.logged_events()[-1]
    assert (label.type, label.data.execution_id, label.data.reason) == (
        "drift.false_positive",
        "x2",
        "deployment",
    )
    assert label.source == client.state.workspace.who
    client.post("/executions/1", data={"form_token": token, "label": "real"})
    assert "Inbox is empty" in text_of(client, "/inbox")
    assert "drift.validation" in text_of(client, "/executions/1")


@pytest.mark.parametrize("fields", [{}, {"label": "perhaps"}, {"label": "real", "reason": "x" * 201}])
def test_an_invalid_label_is_refused(client: Served, fields: dict[str, str]) -> None:
    """Nothing is written."""
    client.post("/v1/events", json=execution(1))
    response = client.post("/executions/1", data=fields | {"form_token": client.form_token()})
    assert (response.status_code, len(client.logged_events())) == (422, 1)


def test_a_page_draws_both_samples_or_the_scores(client: Served) -> None:
    """Numbers are drawn as a histogram and categories as bars. An invalid sketch is not drawn."""
    client.post("/v1/events", json=execution(1))
    client.post("/v1/events", json=execution(2, samples={"current": ["a", "b"], "reference": ["a", "a"]}))
    scores = {"ks/raw": {"statistic": 0.4, "p_value": 0.01, "null_max": 0.2}}
    client.post("/v1/events", json=execution(3, samples=None, scores=scores))
    client.post("/v1/events", json=execution(4, sketch={"edges": [2, 1], "current": [1], "reference": [1]}))
    assert '<path class="current"' in text_of(client, "/executions/1")
    assert '<rect class="current"' in text_of(client, "/executions/2")
    assert "2.00 \N{MULTIPLICATION SIGN}" in text_of(client, "/executions/3")
    assert "contains no samples" in text_of(client, "/executions/4")


def test_a_sketch_keeps_the_shape_of_both_samples() -> None:
    """Every value is counted, even beyond the edges. Samples that cannot be drawn have no sketch."""
    drawn = sketch([0.0] * 5 + [10.0] * 5 + [1e9], [0.0] * 20)
    assert drawn is not None
    assert (sum(drawn.current), sum(drawn.reference), drawn.is_sound) == (11, 20, True)
    assert sketch([1.0], []) is None
    assert sketch([1.0], ["a"]) is None
    many = sketch([str(number) for number in range(40)], ["0"])
    assert many is not None
    assert (len(many.values), many.values[-1], sum(many.current)) == (13, "(other)", 40)
    private = sketch(["ana@example.org", *["mail"] * 9], ["bo@example.org", "\ud800"], least=5)
    assert private is not None
    assert private.values == ("mail", "(other)")
    assert read_sketch({"sketch": {"values": ["a"], "current": [1], "reference": [2]}}) is not None
    for bad in (
        {},
        {"sketch": 1},
        {"samples": {"current": [1], "reference": ["a"]}},
        {"samples": {"current": 3}},
    ):
        assert read_sketch(bad) is None


def test_the_log_is_filtered_and_updated(client: Served) -> None:
    """The filters are type, source, text and feedback. New rows are sent only if there are new events."""
    client.post("/v1/events", json=[execution(1), envelope(1), envelope(2, source="user/bo")])
    assert text_of(client, "/log").count('class="says"') == 3
    for query, count in (
        ("type=drift.validation", 2),
        ("source=user/b", 1),
        ("only=feedback", 2),
        ("text=feature%201", 1),
        ("text=%25", 0),
        ("before=2", 1),
        ("before=x", 3),
    ):
        assert text_of(client, f"/log?{query}").count('class="says"') == count, query
    assert client.get("/log/rows?seen=3").status_code == 204
    assert client.get("/log/rows?seen=2").status_code == 200


def test_pages_accept_times_beyond_the_calendar(client: Served) -> None:
    """The time of an event may be any number of seconds."""
    client.post("/v1/events", json=execution(1) | {"time": 1e30})
    client.post("/v1/events", json=envelope(1, time=-1e300))
    for address in ("/log", "/log/1", "/inbox", "/executions/1"):
        assert text_of(client, address)


def test_changing_a_version_records_the_reason_and_the_user(client: Served) -> None:
    """A change without a reason and a rollback without a previous version are refused."""
    with_second_version(client.folder / "generated")
    fields = {"form_token": client.form_token(), "why": "a try"}
    assert client.post("/versions/detect_drift/rollback", data=fields).status_code == 409
    nothing = client.post("/versions/detect_drift/1/activate", data=fields | {"why": " "})
    assert nothing.status_code == 422
    response = client.post("/versions/detect_drift/2/activate", data=fields)
    assert response.headers["location"] == "/versions/detect_drift"
    assert client.post("/versions/detect_drift/rollback", data=fields | {"why": "back"}).status_code == 303
    moves = [(move.from_, move.to, move.why, move.who) for move in read_journal(client.folder / "generated")]
    who = client.state.workspace.who
    assert moves[-2:] == [(1, 2, "a try", who), (2, 1, "back", who)]
    assert "a try" in text_of(client, "/versions/detect_drift")


def proposed(client: Served, *, has_changes: bool = True, document: PlanDocument | None = None) -> Proposal:
    """Store a plan as the server does after it is made."""
    proposal = Proposal(
        id=new_id(),
        made_by="user/bo",
        made_at="2026-01-01T00:00:00+00:00",
        log_position=0,
        has_changes=has_changes,
        document=document
        or PlanDocument(
            verdict="1 of 6 policies would change",
            policies=(planned("detect_drift", source=("--- a", "+++ b", "@@ -1 +1 @@", "-x = 1", "+x = 2")),),
        ),
    )
    client.state.proposals.add(proposal, b"{}")
    return proposal


def test_a_plan_is_rejected_with_a_comment(client: Served) -> None:
    """The comment is required. A decided plan and a plan without changes cannot be decided."""
    token = {"form_token": client.form_token("/plans")}
    plan, nothing = proposed(client), proposed(client, has_changes=False)
    assert client.post(f"/plans/{plan.id}/reject", data=token).status_code == 422
    response = client.post(f"/plans/{plan.id}/reject", data=token | {"comment": "not before Monday"})
    assert response.headers["location"] == f"/plans/{plan.id}"
    text = text_of(client, f"/plans/{plan.id}")
    assert "not before Monday" in text
    assert '<span class="plus">+x = 2' in text
    for each, decision in ((plan, "approve"), (plan, "reject"), (nothing, "approve")):
        response = client.post(f"/plans/{each.id}/{decision}", data=token | {"comment": "no"})
        assert response.status_code == 409, response.text
    assert read_document(client.folder / "generated").active("detect_drift") == 1


def test_a_plan_shows_rules_replay_and_candidates(client: Served) -> None:
    """The page shows what the command line prints, as escaped text."""
    evidence = Evidence(e_value=3.0, e_value_threshold=25.0, n_effective=4.0, events_needed=7)
    rule = Rule(id="numeric", kind="decide", status="candidate", reason="<b>so</b>", evidence=evidence)
    entries = (Entry(rule=rule, words="does this", was="did that"),)
    replay = Flips(
        recorded=9,
        fewer_alerts=Side(flips=4, false_alarms=3, unlabeled=1),
        more_alerts=Side(),
        by_feature={"<i>age": 4},
        precision_before=Interval(what="precision", estimate=0.25, low=0.1, high=0.5, n=8),
        precision_after=Interval(what="precision", estimate=0.0, low=0.0, high=1.0, n=0),
        cost_before=1.0,
        cost_after=0.5,
    )
    policy = planned("detect_drift", candidates=entries, against=Against(version=1, flips=replay))
    plan = proposed(client, document=PlanDocument(verdict="1 policy", policies=(policy,)))
    text = text_of(client, f"/plans/{plan.id}")
    assert '<a href="/versions/detect_drift">detect_drift</a> v1 → v2' in text
    assert "did that → <b>does this</b><br>&lt;b&gt;so&lt;/b&gt;" in text
    assert "e-value <b>3</b> of 25, about 7 more events" in text
    assert "Replayed on 9 recorded executions; cost per labeled execution 1 → 0.5" in text
    assert "Precision 0.25 [0.10, 0.50] → unknown; by feature: &lt;i&gt;age 4" in text


def test_a_plan_of_an_earlier_release_is_readable(client: Served) -> None:
    """Its document has no summary and no described changes, so the page shows its stored lines."""
    policy = {"policy": "detect_drift", "is_change": True, "refused": "", "edits": [], "active_version": 1}
    policy |= {"next_version": 2, "is_learned": True, "notes": [], "rules": [], "against": None, "source": []}
    document = {"format_version": 1, "log_position": 3, "has_changes": True, "left": {}, "costs": []}
    written = {"id": new_id(), "made_by": "user/bo", "made_at": "2026-01-01T00:00:00", "log_position": 3}
    written |= {"has_changes": True, "document": document | {"policies": [policy]}, "diffs": {}}
    written |= {"lines": ["1 of 6 policies would change", "+ numeric: <does this>"]}
    proposed(client)
    path = client.state.proposals.folder / f"{written['id']}.review.json"
    path.write_bytes(msgspec.json.encode(written))
    text = text_of(client, f"/plans/{written['id']}")
    assert '<p class="lead">1 of 6 policies would change</p>' in text
    assert "+ numeric: &lt;does this&gt;" in text
    assert "1 of 6 policies would change" in text_of(client, "/plans")


def test_a_plan_that_cannot_be_applied_shows_the_reason(client: Served) -> None:
    """A file that is not the saved plan changes nothing, and the plan can still be rejected."""
    token = {"form_token": client.form_token("/plans")}
    plan = proposed(client)
    assert client.post(f"/plans/{plan.id}/approve", data=token).status_code == 303
    assert client.post("/plans", data=token).status_code == 409  # one at a time
    client.state.worker.wait()
    assert client.state.proposals.get(plan.id).state == "failed"
    assert "not a saved plan" in text_of(client, f"/plans/{plan.id}")
    assert client.get("/plans/work").headers["hx-refresh"] == "true"
    assert client.post(f"/plans/{plan.id}/reject", data=token | {"comment": "no"}).status_code == 303


def test_the_oldest_decided_plans_are_removed(client: Served) -> None:
    """Open plans are kept."""
    plans = [proposed(client) for _ in range(52)]
    for plan in plans[1:]:
        client.state.proposals.move(plan.id, "rejected")
    proposed(client)
    kept = [plan.id for plan in client.state.proposals.all()]
    assert plans[0].id in kept
    assert len(kept) == 51


def test_a_reviewer_labels_but_does_not_change_versions(client: Served) -> None:
    """The page has no button for it, and the request is refused."""
    client.post("/v1/events", json=execution(1))
    secret = client.token("ana", "review")["authorization"].removeprefix("Bearer ")
    client.post("/login", data={"token": secret})
    token = {"form_token": client.form_token("/inbox"), "why": "x"}
    assert client.post("/versions/detect_drift/1/activate", data=token).status_code == 403
    assert "Activate v1" not in text_of(client, "/versions/detect_drift/1")
    assert client.post("/executions/1", data=token | {"label": "real"}).status_code == 303
    assert client.logged_events()[-1].source == "user/ana"
