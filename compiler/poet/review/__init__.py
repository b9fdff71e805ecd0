"""What people read before they say yes: status, plan, diff, explanation; as documents and as text."""

from poet.review._diff import diff_document, diff_lines
from poet.review._explain import explain_document, explain_lines
from poet.review._plan import plan_document, plan_lines
from poet.review._rules import rule_lines
from poet.review._status import status_document, status_lines
from poet.review._trials import canary_document, canary_line

__all__ = [
    "canary_document",
    "canary_line",
    "diff_document",
    "diff_lines",
    "explain_document",
    "explain_lines",
    "plan_document",
    "plan_lines",
    "rule_lines",
    "status_document",
    "status_lines",
]
