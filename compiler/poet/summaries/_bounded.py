"""The sealed tables up to a log position: what every answer is made from."""

# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis builds its operators at run time; its annotations promise less than it does. mypy checks the rest.

import ibis.expr.types as ir

from poet.summaries._engine import Engine

__all__ = ["Bounded"]


class Bounded:
    """Gives each table of an engine once, without what came after log position `until`."""

    def __init__(self, engine: Engine, until: int) -> None:
        self.engine = engine
        self.until = until
        self._tables: dict[str, ir.Table] = {}

    def __call__(self, name: str) -> ir.Table:
        """Give the table of an event type, or ``scores``."""
        if name not in self._tables:
            table = self.engine.table(name)
            self._tables[name] = table.filter(table.position <= self.until)
        return self._tables[name]
