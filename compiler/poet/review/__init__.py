"""What people read before they approve a change: status, plan, diff, explanation, report.

Documents (`plan_document` and so on) say it once; their fields are the JSON of the command line. Text,
Markdown and HTML are rendered from documents alone.
"""

from poet.review._diff import diff_document
from poet.review._document import (
    Canary,
    Change,
    DiffDocument,
    Entry,
    ExplainDocument,
    HistoryDocument,
    JudgedCanary,
    Pair,
    PlanDocument,
    PlannedPolicy,
    Review,
    RuleDocument,
    StandingDocument,
    StatusDocument,
    UnjudgedCanary,
)
from poet.review._explain import explain_document, rule_document
from poet.review._html import environment, report_page, review_page
from poet.review._markdown import markdown
from poet.review._plan import plan_document
from poet.review._plots import bars, histogram
from poet.review._report import Report, report_document
from poet.review._status import canary_document, history_document, standing_document, status_document
from poet.review._text import canary_line, diff_lines, explain_lines, plan_lines, rule_lines, status_lines
from poet.review._words import clean, counted, in_words

__all__ = [
    "Canary",
    "Change",
    "DiffDocument",
    "Entry",
    "ExplainDocument",
    "HistoryDocument",
    "JudgedCanary",
    "Pair",
    "PlanDocument",
    "PlannedPolicy",
    "Report",
    "Review",
    "RuleDocument",
    "StandingDocument",
    "StatusDocument",
    "UnjudgedCanary",
    "bars",
    "canary_document",
    "canary_line",
    "clean",
    "counted",
    "diff_document",
    "diff_lines",
    "environment",
    "explain_document",
    "explain_lines",
    "histogram",
    "history_document",
    "in_words",
    "markdown",
    "plan_document",
    "plan_lines",
    "report_document",
    "report_page",
    "review_page",
    "rule_document",
    "rule_lines",
    "standing_document",
    "status_document",
    "status_lines",
]
