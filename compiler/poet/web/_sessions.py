"""Who a browser is, between two requests: sessions in memory, and what keeps other sites' forms out."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["COOKIE", "LASTS_S", "Sessions"]

COOKIE = "poet_session"
LASTS_S = 12 * 3600.0
REMEMBERED = 1000


class Sessions:
    """Sessions by the digest of their cookie; a restart ends them all."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._open: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def begin(self, token_id: str) -> str:
        """Begin a session of whoever showed this token; gives the cookie."""
        cookie = secrets.token_urlsafe(32)
        self._open[_digest(cookie)] = (token_id, self._clock() + LASTS_S)
        while len(self._open) > REMEMBERED:
            self._open.popitem(last=False)
        return cookie

    def token_of(self, cookie: str) -> str | None:
        """Give the id of the token that a session was begun with; None where it has ended."""
        found = self._open.get(_digest(cookie))
        if found is None:
            return None
        token_id, ends = found
        if self._clock() >= ends:
            self.end(cookie)
            return None
        return token_id

    def end(self, cookie: str) -> None:
        """End a session."""
        self._open.pop(_digest(cookie), None)

    def form_token(self, cookie: str) -> str:
        """Give what a form of this session has to bring along."""
        return hmac.new(self._key, cookie.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def is_form_token(self, cookie: str, said: str) -> bool:
        """Tell whether a form came from a page of this session."""
        return hmac.compare_digest(self.form_token(cookie).encode(), said.encode("utf-8", "replace"))


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()
