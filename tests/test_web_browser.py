"""Tests in a real browser: from an empty workspace to a new version, and the accessibility of all pages."""

import shutil
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import numpy as np
import pytest

from poet import Workspace
from poet.workspace.configuration import initial_text
from tests.browsed import CHROMIUM, LEARNED_EVENTS, axe_violations, chromium, feedback, running_server
from tests.served import execution
from tests.workspaces import GENERATED, first_workspace

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
WIDE: Any = {"width": 1180, "height": 760}
PATIENCE_MS = 240_000
LOOK_S = 1.2  # a registry is read once a second
PAGES = (
    "/",
    "/log",
    "/log/1",
    "/inbox",
    "/executions/1",
    "/plans",
    "/versions",
    "/versions/detect_drift",
    "/versions/detect_drift/2",
    "/rules",
    "/rules/detect_drift/2/numeric",
    "/nothing-here",
)


def emit(address: str, events: list[dict[str, Any]]) -> int:
    """Send a batch like a program and return the number of accepted events."""
    headers = {"content-type": "application/cloudevents-batch+json"}
    request = Request(f"{address}/v1/events", msgspec.json.encode(events), headers)  # noqa: S310
    with urlopen(request, timeout=30) as response:  # noqa: S310 -- our own server
        return len(msgspec.json.decode(response.read())["accepted"])


def read_answers(page: Any, address: str, folder: Path) -> list[int]:
    """Return the active version of a running monitor before approval, after it, and after a rollback."""
    random = np.random.default_rng(0)
    before, current = random.normal(0.0, 1.0, 2000), random.normal(0.0, 1.0, 400)
    with Workspace.open(folder) as monitor:
        detect_drift = monitor.policy("detect_drift")
        answers = [detect_drift(current, before, feature="age").policy_version]
        page.get_by_label("Comment").fill("fewer false alarms")
        page.get_by_role("button", name="Approve and compile").click()
        page.get_by_role("link", name="detect_drift v2").wait_for(timeout=PATIENCE_MS)
        time.sleep(LOOK_S)
        answers.append(detect_drift(current, before, feature="age").policy_version)
        page.goto(f"{address}/versions/detect_drift")
        page.get_by_label("Reason (for the journal)").fill("only to see")
        page.get_by_role("button", name="Roll back to v1").click()
        page.get_by_text("v1 active", exact=True).wait_for()
        time.sleep(LOOK_S)
        answers.append(detect_drift(current, before, feature="age").policy_version)
    return answers


def test_feedback_becomes_a_version_that_can_be_rolled_back(tmp_path: Path) -> None:
    """Emit over HTTP, label with keys, plan, approve, swap under a running monitor and roll back."""
    folder = first_workspace(tmp_path / "shop")
    events = feedback(time.time())
    last = next(event for event in reversed(events) if event["type"] == "drift.false_positive")
    events.remove(last)
    with running_server(folder) as (address, _), chromium(viewport=WIDE) as page:
        assert emit(address, events) == LEARNED_EVENTS - 1
        page.goto(f"{address}/inbox")
        assert page.locator(".queue li").count() == 1
        page.keyboard.press("w")
        page.keyboard.type("nothing had changed")
        page.keyboard.press("Escape")
        page.keyboard.press("f")
        page.get_by_text("Inbox is empty").wait_for()
        page.locator("#says", has_text="Noted: a false alarm").wait_for(
            state="attached"
        )  # it is announced after a moment
        page.keyboard.press("g")
        page.keyboard.press("p")
        page.get_by_role("button", name="Make a plan").click()
        page.locator("tbody a").first.click(timeout=PATIENCE_MS)
        page.get_by_role("heading", name="detect_drift v1 → v2").wait_for()
        assert axe_violations(page) == []
        assert read_answers(page, address, folder) == [1, 2, 1]
        assert page.complaints == []
    with Workspace.open(folder) as workspace:
        labels = [stored.event for stored in workspace.log.read() if stored.event.source == "user/ana"]
    cited = [(event.type, msgspec.to_builtins(event.data)["execution_id"]) for event in labels]
    assert cited == [("drift.false_positive", last["data"]["execution_id"])]


def test_every_page_is_accessible(tmp_path: Path) -> None:
    """Axe finds nothing in light and dark mode, pages fit a phone, and nothing violates the policy."""
    folder = tmp_path / "shop"
    shutil.copytree(GENERATED, folder / "generated", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "poet.toml").write_text(initial_text(start="ks"), encoding="utf-8")
    with running_server(folder) as (address, _), chromium(viewport=WIDE) as page:
        emit(address, [execution(number, drifted=number > 1, audit=number == 1) for number in range(1, 40)])
        emit(address, feedback(time.time()))
        for path in PAGES:
            page.emulate_media(color_scheme="light")
            page.goto(address + path)
            assert axe_violations(page) == [], path
            page.emulate_media(color_scheme="dark")
            assert axe_violations(page, "color-contrast") == [], f"{path}, dark"
        page.set_viewport_size({"width": 360, "height": 700})
        wide = []
        for path in PAGES:
            page.goto(address + path)
            wide += [path] * page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert wide == []
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()
        assert axe_violations(page) == []
        assert [each for each in page.complaints if "404" not in each] == []


def test_an_open_log_page_is_updated(tmp_path: Path) -> None:
    """New events appear on the page until the user stops the updates."""
    folder = first_workspace(tmp_path / "shop")
    with running_server(folder) as (address, _), chromium(viewport=WIDE) as page:
        page.goto(f"{address}/log")
        emit(address, [execution(1)])
        page.get_by_role("link", name="1", exact=True).wait_for(timeout=10_000)
        page.keyboard.press("s")
        page.get_by_text("Stopped: resume").wait_for()
        assert page.complaints == []
