"""Templates into pages. Everything that is filled in is escaped; nothing that is missing is left out."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from poet.review import SHARES, Sheet, clean, counted

if TYPE_CHECKING:
    from poet.report._gather import Found

__all__ = ["report_page", "sheet_page"]

HERE = Path(__file__).parent


def sheet_page(sheet: Sheet) -> str:
    """Give a plan or a difference as one page that opens offline."""
    return _templates().get_template("sheet.html").render(found=sheet)


def report_page(found: "Found") -> str:
    """Give all that a workspace has learned as one page that opens offline."""
    return _templates().get_template("report.html").render(found=found)


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    style = (HERE / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment.globals |= {"style": Markup(style), "style_digest": digest, "shares": SHARES}  # noqa: S704 -- ours
    environment.filters |= {"clean": clean, "counted": counted}
    return environment
