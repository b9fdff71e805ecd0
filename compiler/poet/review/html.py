"""HTML rendering: pages that open offline, and fragments shared with the web interface.

All values are escaped, and a missing name is an error. `environment` is the only place that defines filters
and macros, so `templates/parts.html` renders the same in a report and on the web.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import jinja2
from markupsafe import Markup

from poet.review.document import Review
from poet.review.plots import meter, span
from poet.review.report import Report
from poet.review.words import (
    against_threshold,
    clean,
    counted,
    coverage_words,
    in_words,
    needed_words,
    precision_words,
    saving_words,
    turned,
)

TEMPLATES: Final = Path(__file__).parent / "templates"


def review_page(review: Review) -> str:
    """Render a plan or a diff as one page that opens offline."""
    return _offline().get_template("review.html").render(found=review)


def report_page(report: Report) -> str:
    """Render everything a workspace has learned as one page that opens offline."""
    return _offline().get_template("report.html").render(found=report)


def environment(folders: Sequence[Path] = ()) -> jinja2.Environment:
    """Return a template environment that looks in `folders` first, then in the shared templates."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do"],
    )
    made.filters |= {
        "clean": clean,
        "counted": counted,
        "coverage": coverage_words,
        "needed": needed_words,
        "precision": precision_words,
        "saving": saving_words,
        "turned": turned,
        "words": in_words,
        "against_threshold": against_threshold,
    }
    made.globals |= {"meter": meter, "span": span}
    return made


@cache
def _offline() -> jinja2.Environment:
    made = environment()
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    made.globals |= {"style": Markup(style), "style_digest": digest}  # noqa: S704 -- our own style sheet
    return made
