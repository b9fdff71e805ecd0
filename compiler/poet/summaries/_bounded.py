"""The sealed tables between two log positions: what every answer is made from."""

# pyright: reportArgumentType=false, reportOperatorIssue=false, reportCallIssue=false
# pyright: reportAttributeAccessIssue=false, reportReturnType=false
# ibis builds its operators at run time; its annotations promise less than it does. mypy checks the rest.

from collections.abc import Iterable

import ibis.expr.types as ir

from poet.summaries._engine import Engine

__all__ = ["Bounded"]


class Bounded:
    """Gives each table of an engine once, with the log positions ``after + 1 … until`` alone."""

    def __init__(self, engine: Engine, until: int, *, after: int = 0) -> None:
        self.engine = engine
        self.until = until
        self.after = after
        self._sealed = frozenset(engine.sealed())
        self._tables: dict[str, ir.Table] = {}

    def has(self, *names: str) -> bool:
        """Tell whether anything was sealed of one of these tables."""
        return not self._sealed.isdisjoint(names)

    def sealed(self, names: Iterable[str]) -> list[str]:
        """Give those of these tables of which anything was sealed, sorted."""
        return sorted(self._sealed.intersection(names))

    def __call__(self, name: str) -> ir.Table:
        """Give the table of an event type, or ``scores``."""
        if name not in self._tables:
            table = self.engine.table(name, after=self.after)
            within = table.position <= self.until
            if self.after:
                within &= table.position > self.after
            self._tables[name] = table.filter(within)
        return self._tables[name]
