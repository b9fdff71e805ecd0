"""Tests of a plan as a comment on a pull request: it fits one screen, and hostile text is harmless."""

import re
from html import unescape
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from poet.build.compare import Against, Comparison, Flips, Side, Witness, compare
from poet.build.render import render
from poet.policies.calculate_feature_importance.behaviour import BEHAVIOUR
from poet.review.changes import plan_document
from poet.review.document import Entry, PlanDocument
from poet.review.html import review_page
from poet.review.markdown import markdown
from poet.review.text import plan_lines
from poet.spec import policy
from poet.spec.decisions import Evidence, Interval, Replay, Rule, decode
from poet.workspace.pipeline import Plan, PolicyPlan
from tests.browsed import CHROMIUM, chromium
from tests.builders import planned
from tests.hostile import hostile_text

IMPORTANCE = "calculate_feature_importance"
SCENARIO = Path(__file__).parent / "policies" / IMPORTANCE / "golden" / "scenario"
READER = MarkdownIt("commonmark").enable("table")
OURS = {"<br>", "<sub>", "</sub>"}
BLOCKS = re.compile(r"<details><summary>[\w ',]*</summary>|</details>")
REFERENCE = re.compile(r"@\w|#\d|://|www\.|GH-\d|\b[0-9a-f]{7,40}\b", re.IGNORECASE)
MARKUP = (
    "@everyone look",
    "fixes #1 and GH-2 and acme/shop#3",
    "[click](https://example.org)",
    "![x](//example.org/x.png)",
    "<img src=x onerror=alert(1)>",
    "</details><script>1</script>",
    "www.example.org",
    "mail me@example.org",
    "a | b | c |\n| --- |",
    "``` ` `` |` \\|",
    "**bold** _it_ ~~no~~ __init__",
    "# heading",
    "> quote\n- list\n1. one",
    "&#64;everyone &lt;b&gt;",
    "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef",
    "\\`x\\`",
    "`",
)
LINES, COLUMNS = 45, 100  # visible without scrolling
# approximates how a forge styles a comment, to measure its height
FORGE = """<style>body{font:14px/1.5 sans-serif;width:860px;margin:16px}table{border-collapse:collapse}
td,th{border:1px solid;padding:6px 13px}code{font:12px monospace}p,ul,table{margin:0 0 16px}</style>"""


@pytest.fixture(scope="module")
def document() -> PlanDocument:
    """Return a plan that adopts three rules."""
    champion = policy(IMPORTANCE).version_1("")
    decisions = decode((SCENARIO / "decisions.json").read_bytes())
    older, newer = render(champion).source, render(decisions).source
    against = Against(version=1, comparison=compare(older, newer, BEHAVIOUR))
    adopting = PolicyPlan(champion, decisions, against=against, champion_source=older, source=newer)
    others = [
        PolicyPlan(policy(name).version_1(""), policy(name).version_1("")) for name in ("generate_alerts",)
    ]
    return plan_document(Plan((adopting, *others), log_position=264))


@pytest.fixture(scope="module")
def three_rules(document: PlanDocument) -> str:
    """Return the comment on that plan."""
    return markdown(document)


def unfolded(text: str) -> str:
    """Return the text without its folded sections."""
    return re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)


def test_a_comment_on_three_rules_shows_change_reason_and_evidence(three_rules: str) -> None:
    """They are visible before anything is unfolded, and the source diff is last."""
    shown = unfolded(three_rules)
    assert "1 of 2 policies would change: 3 rules adopted, 0 retired" in shown
    for rule in ("never-matters", "price-with-day_of_week", "time_of_year-black_friday-x3"):
        assert f"| `+` | `{rule}` | `multiplier 1` → `" in shown
    assert (
        "0.442 of performance lost per unit of drift, 0.153 for the same features in other contexts, n = 96"
        in shown
    )
    assert "0.442 (0.384 … 0.514), n = 29" in shown
    assert "e-value **5.39e+07** ≥ 9.78e+03" in shown
    assert "`1.0` → `0.1`" in shown
    assert shown.rstrip().splitlines()[-1].startswith("<sub>unchanged: generate_alerts")
    assert three_rules.index("```diff") > len(shown) / 2
    assert "+NEVER_MATTERS_MULTIPLIER: Final = 0.1" in three_rules


def test_text_markdown_html_and_json_have_the_same_content(document: PlanDocument, three_rules: str) -> None:
    """Every changed rule has description, reason and evidence. The JSON keeps its public fields."""
    text, page = "\n".join(plan_lines(document)), unescape(review_page(document))
    assert len(document.policies[0].changes) == 3
    for entry in document.policies[0].changes:
        assert entry.rule.evidence is not None
        content = [entry.rule.id, entry.words, entry.was, entry.rule.reason]
        content += [
            f"≥ {entry.rule.evidence.e_value_threshold:.3g}",
            *(f"n = {pair.counts}" for pair in entry.pairs),
        ]
        for rendering in (text, three_rules, page):
            assert [each for each in content if each not in rendering] == []
    for rendering in (text, three_rules, page):
        assert document.verdict in rendering
        assert "+NEVER_MATTERS_MULTIPLIER: Final = 0.1" in rendering
    plain = msgspec.to_builtins(document)
    assert {"format_version", "log_position", "has_changes", "skipped", "costs", "policies"} <= set(plain)
    fields = {"policy", "is_change", "refused", "edits", "active_version", "next_version", "is_learned"}
    assert fields | {"notes", "rules", "against", "source"} <= set(plain["policies"][0])
    assert "published" not in plain
    again = msgspec.json.decode(msgspec.json.encode(document), type=PlanDocument)
    assert markdown(again) == three_rules


def test_a_comment_on_three_rules_fits_a_screen(three_rules: str) -> None:
    """Lines are counted at a hundred columns."""
    visible = [line for line in unfolded(three_rules).splitlines() if line.strip()]
    cells = [cell for line in visible for cell in re.split(r"<br>", line)]
    assert sum(1 + len(cell) // COLUMNS for cell in cells) <= LINES


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_a_comment_on_three_rules_fits_a_window(three_rules: str) -> None:
    """The browser uses the width that a forge gives to a comment."""
    with chromium(viewport={"width": 1280, "height": 900}) as page:
        page.set_content(FORGE + READER.render(three_rules))
        assert page.locator("details").count() == 1
        assert page.evaluate("document.body.getBoundingClientRect().height") <= 900
        assert page.get_by_text("never-matters", exact=True).is_visible()


def test_a_comment_shows_the_replay() -> None:
    """It has flips with labels, precision and cost, and what a rule would have saved."""
    share = Interval(what="precision", estimate=0.34, low=0.2, high=0.5, n=58)
    flips = Flips(
        recorded=87,
        fewer_alerts=Side(flips=39, false_alarms=37, real=2, unlabeled=0),
        more_alerts=Side(flips=3, false_alarms=0, real=1, unlabeled=2),
        by_feature={},
        precision_before=share,
        precision_after=Interval(what="precision", estimate=0.95, low=0.7, high=1.0, n=20),
        cost_before=0.683,
        cost_after=0.117,
    )
    saves = Replay(replayed=60, of=87, left_out={}, saving_per_1000=321.8, saving_low=0.0, saving_high=582.0)
    evidence = Evidence(e_value=32.9, e_value_threshold=25.0, n_effective=58.0, replay=saves)
    rule = Rule(id="numeric", kind="decide", status="adopted", was="KS p < 0.05", evidence=evidence)
    entries = (Entry(rule=rule, words="words", was=rule.was),)
    section = planned("detect_drift", changes=entries, against=Against(version=1, flips=flips))
    content = markdown(PlanDocument(verdict="verdict", policies=(section,)))
    assert "39 of 87 no longer alert (37 labeled false alarms, 2 real, 0 unlabeled)" in content
    assert "precision 0.34 → 0.95; cost per labeled execution 0.683 → 0.117" in content
    assert (
        "`numeric` saves 321.8 per 1000 executions (0 … 582), in the cost unit of poet.toml, 60 of 87"
        in content
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(hostile_text() | st.sampled_from(MARKUP) | st.text("`|@#\\<> a\n"), min_size=8, max_size=8))
def test_text_of_users_never_becomes_markup(texts: list[str]) -> None:
    """It makes no link, image, mention, reference, heading or HTML, and tables keep their columns."""
    reason, was, words, remark, question, older, newer, rest = (text[:400] for text in texts)
    witness = Witness(direction="stricter", probe=question, older=older, newer=newer)
    found = Comparison(
        verdict="stricter", means="alerts on more", is_exact=True, probes=3, differ={}, witnesses=(witness,)
    )
    rule = Rule(id="rule", kind="decide", status="adopted", reason=reason)
    entries = (Entry(rule=rule, words=words, was=was),)
    section = planned(
        "detect_drift",
        changes=entries,
        candidates=entries,
        refused=remark or "refused",
        against=Against(version=1, comparison=found),
        notes=(remark,),
        source=("--- a", "+++ b", f"+# {reason}", f"+{words}"),
    )
    found_plan = PlanDocument(verdict="verdict", policies=(section,), skipped={"monitor": rest})
    tokens = READER.parse(markdown(found_plan))
    assert sum(token.type == "heading_open" for token in tokens) == 1
    assert (
        sum(token.type == "tr_open" for token in tokens) == 4
    )  # two tables, each with a header and one rule
    assert sum(token.type == "td_open" for token in tokens) == 8
    assert [token.type for token in tokens if token.type == "fence"] == ["fence"]
    for token in tokens:
        if token.type == "html_block":
            assert BLOCKS.fullmatch(token.content.strip()), token.content
        for child in token.children or ():
            check_inline(child)


def check_inline(token: Token) -> None:
    """Check that an inline token is plain text without references, code, emphasis or a line break of ours."""
    if token.type == "html_inline":
        assert token.content in OURS
    elif token.type == "text":
        assert not REFERENCE.search(token.content), token.content
        assert token.content.isprintable()
    else:
        assert token.type in {"code_inline", "strong_open", "strong_close", "softbreak"}, token.type
