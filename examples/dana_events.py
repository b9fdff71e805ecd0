"""The module that ``import dana_events.py as dana_events`` loads in a Dana program next to it."""  # noqa: INP001 -- programs are not in a package

from poet.integrations.dana_events import emit, workspace

__all__ = ["emit", "workspace"]
