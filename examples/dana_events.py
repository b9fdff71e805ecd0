"""Beside a Dana program: what its line ``import dana_events.py as dana_events`` finds."""  # noqa: INP001 -- programs are no package

from poet.integrations.dana_events import emit, workspace

__all__ = ["emit", "workspace"]
