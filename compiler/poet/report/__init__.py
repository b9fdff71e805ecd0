"""Pages that open anywhere: one file, no script, nothing that is fetched."""

from poet.report._gather import gather
from poet.report._page import report_page, sheet_page

__all__ = ["gather", "report_page", "sheet_page"]
