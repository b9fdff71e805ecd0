"""Labels from Slack, given by a button under an alert or by a slash command.

Buttons carry ``action_id`` ``poet_real`` or ``poet_false_alarm``, and as ``value`` the execution's id, or
``{"execution_id": …, "reason": …}``. The command is ``/poet real ID [why]`` or ``/poet false ID [why]``.

Requests are signed over their time and body: with Slack's signature v0, or with POET's own for other senders.
Both are HMAC-SHA256 with a shared secret. A request that is more than five minutes old or ahead is refused,
which limits replay attacks. Within that time, the event ids make a repeated request harmless.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qs

import msgspec

from poet.events import Event
from poet.workspace.inbox import label_event
from poet_runtime.errors import EventError, IngestError

ACTIONS: Final = {"poet_real": True, "poet_false_alarm": False}
LABELS: Final = {"real": True, "false": False, "false_alarm": False}
FIELDS: Final = 40


class SlackLabel(NamedTuple):
    """A label, and the reply to the person who gave it."""

    event: Event
    answer: str


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    name: str = ""


class _Action(msgspec.Struct, frozen=True):
    action_id: str
    value: str = ""
    action_ts: str = ""


class _Payload(msgspec.Struct, frozen=True):
    type: str
    user: _User
    actions: list[_Action] = []


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    execution_id: str
    reason: str = ""


def read_slack(body: bytes, *, now: Callable[[], float]) -> SlackLabel:
    """Parse a request with a verified signature.

    Raises
    ------
    IngestError
        The request is neither a button press nor the command.
    """
    form = _form(body)
    if "payload" in form:
        return _pressed(form["payload"], now)
    if "command" in form:
        return _commanded(form, now)
    raise IngestError(where="body", expected="a field payload or command", got=ascii(sorted(form))[:80])


def _form(body: bytes) -> dict[str, str]:
    try:
        found = parse_qs(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=FIELDS
        )
    except ValueError as error:
        raise IngestError(where="body", expected="a form in Slack's format", got=str(error)[:80]) from error
    return {name: values[0] for name, values in found.items()}


def _pressed(document: str, now: Callable[[], float]) -> SlackLabel:
    try:
        payload = msgspec.json.decode(document.encode(), type=_Payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise IngestError(where="payload", expected="a Slack interaction", got=str(error)) from error
    for action in payload.actions:
        if action.action_id in ACTIONS:
            said = _value(action.value)
            who = payload.user.username or payload.user.name
            return _label(said, ACTIONS[action.action_id], who, action.action_ts, now)
    got = ascii([action.action_id[:40] for action in payload.actions[:4]])
    raise IngestError(where="payload actions", expected=f"one of {', '.join(ACTIONS)}", got=got)


def _value(value: str) -> _Said:
    if not value.startswith("{"):
        return _Said(execution_id=value)
    try:
        return msgspec.json.decode(value.encode(), type=_Said)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise IngestError(
            where="payload actions value", expected="an execution's id, or an object", got=str(error)
        ) from error


def _commanded(form: dict[str, str], now: Callable[[], float]) -> SlackLabel:
    word, _, rest = form.get("text", "").strip().partition(" ")
    execution_id, _, reason = rest.strip().partition(" ")
    if word not in LABELS or not execution_id:
        raise IngestError(
            where="text", expected="'real ID [why]' or 'false ID [why]'", got=ascii(form.get("text", "")[:80])
        )
    said = _Said(execution_id=execution_id, reason=reason.strip())
    return _label(said, LABELS[word], form.get("user_name", ""), form.get("trigger_id", ""), now)


def _label(said: _Said, was_real: bool, who: str, moment: str, now: Callable[[], float]) -> SlackLabel:  # noqa: FBT001
    if not who:
        raise IngestError(where="user", expected="the name of the user", got="nothing")
    content = "\0".join((who, said.execution_id, str(was_real), said.reason, moment))
    # sending the same press again changes nothing
    identity = f"slack-{hashlib.sha256(content.encode()).hexdigest()[:32]}" if moment else None
    try:
        event = label_event(
            said.execution_id,
            was_real=was_real,
            reason=said.reason,
            who=f"user/{who}",
            identity=identity,
            now=now,
        )
    except EventError as error:
        raise IngestError(where=error.path, expected=error.expected, got=error.got) from error
    word = "a real drift" if was_real else "a false alarm"
    return SlackLabel(event, f"Noted: {said.execution_id} was {word}.")


WINDOW_S: Final = 300.0
_DIGITS: Final = re.compile(r"[0-9]{1,12}")


class Signature(NamedTuple):
    """A verified signature: its time, and the digest that identifies its request."""

    timestamp: str
    digest: str

    def event_id(self, number: int) -> str:
        """Return the id of the n-th event, which is the same if the request is repeated."""
        return f"signed-{self.digest[:32]}-{number}"


def sign(secret: bytes, timestamp: str, body: bytes) -> str:
    """Return the header ``X-Poet-Signature`` of a request."""
    return f"v1={_digest(secret, timestamp.encode() + b'.' + body)}"


def read_signature(headers: Mapping[str, str], body: bytes, secret: bytes, *, now: float) -> Signature:
    """Verify a request signed by `sign`.

    Raises
    ------
    IngestError
        The signature is missing, wrong or expired.
    """
    timestamp = _timestamp(headers, "x-poet-timestamp", now)
    expected = sign(secret, timestamp, body)
    _require_equal(headers, "x-poet-signature", expected)
    return Signature(timestamp, expected.removeprefix("v1="))


def require_slack(headers: Mapping[str, str], body: bytes, secret: bytes, *, now: float) -> None:
    """Verify a request that Slack signed.

    Raises
    ------
    IngestError
        The signature is missing, wrong or expired.
    """
    timestamp = _timestamp(headers, "x-slack-request-timestamp", now)
    expected = f"v0={_digest(secret, b'v0:' + timestamp.encode() + b':' + body)}"
    _require_equal(headers, "x-slack-signature", expected)


def _timestamp(headers: Mapping[str, str], name: str, now: float) -> str:
    stated = headers.get(name, "")
    if _DIGITS.fullmatch(stated) is None:
        raise IngestError(where=f"header {name}", expected="seconds since 1970", got=ascii(stated[:80]))
    if abs(now - float(stated)) > WINDOW_S:
        raise IngestError(
            where=f"header {name}",
            expected=f"a time within {WINDOW_S:.0f} s of the server's clock",
            got=f"{float(stated) - now:+.0f} s",
        )
    return stated


def _require_equal(headers: Mapping[str, str], name: str, expected: str) -> None:
    stated = headers.get(name, "").encode("utf-8", "replace")
    if not hmac.compare_digest(stated, expected.encode()):
        raise IngestError(
            where=f"header {name}",
            expected="the signature of this body with the shared secret",
            got="another one" if stated else "nothing",
        )


def _digest(secret: bytes, message: bytes) -> str:
    return hmac.new(secret, message, hashlib.sha256).hexdigest()
