"""What came last, up to a number: memory that does not grow with the uptime."""

from collections import OrderedDict
from typing import TypeVar

__all__ = ["Recent"]

Key = TypeVar("Key")
Value = TypeVar("Value")


class Recent(OrderedDict[Key, Value]):
    """A dictionary of at most `limit` entries; beyond it, what came first is forgotten."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def keep(self, key: Key, value: Value) -> None:
        """Put an entry, or replace it where it stands."""
        self[key] = value
        if len(self) > self._limit:
            self.popitem(last=False)
