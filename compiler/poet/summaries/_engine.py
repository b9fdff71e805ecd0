"""What an engine owes: the sealed tables, and answers to expressions over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    import ibis.expr.types as ir
    import pyarrow as pa

__all__ = ["Engine"]


class Engine(Protocol):
    """Runs portable ibis expressions where the sealed events are.

    The expressions use comparisons, exact arithmetic, conditional counts, joins, unions and window
    functions only: what DuckDB, Spark and PostgreSQL answer alike.
    """

    def table(self, name: str, *, after: int = 0) -> ir.Table:
        """Give the table of an event type (or ``scores``) with all its columns, empty if never sealed.

        Nobody will look at rows up to log position `after`: files that hold nothing else may be left out.
        """
        ...

    def sealed(self) -> Collection[str]:
        """Name the tables of which anything was sealed; nobody need ask for the others."""
        ...

    def run(self, expression: ir.Table) -> pa.Table:
        """Answer an expression; rows come in the order the expression states."""
        ...
