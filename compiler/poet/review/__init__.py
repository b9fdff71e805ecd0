"""What people read before they say yes: status, plan, diff, explanation; as documents and as text."""

from poet.review._diff import diff_document, diff_lines
from poet.review._explain import explain_document, explain_lines
from poet.review._markdown import markdown
from poet.review._plan import plan_document, plan_lines
from poet.review._rule import rule_document
from poet.review._rules import SHARES, clean, counted, in_words, rule_lines
from poet.review._sheet import Entry, Section, Sheet, diff_sheet, plan_sheet
from poet.review._source import plan_diff
from poet.review._standing import history_document, standing_document
from poet.review._status import status_document, status_lines
from poet.review._trials import canary_document, canary_line

__all__ = [
    "SHARES",
    "Entry",
    "Section",
    "Sheet",
    "canary_document",
    "canary_line",
    "clean",
    "counted",
    "diff_document",
    "diff_lines",
    "diff_sheet",
    "explain_document",
    "explain_lines",
    "history_document",
    "in_words",
    "markdown",
    "plan_diff",
    "plan_document",
    "plan_lines",
    "plan_sheet",
    "rule_document",
    "rule_lines",
    "standing_document",
    "status_document",
    "status_lines",
]
