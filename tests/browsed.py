"""A served workspace in a separate process, and Chromium to view it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

__all__ = [
    "CHROMIUM",
    "LEARNED_EVENTS",
    "address_of",
    "axe_violations",
    "chromium",
    "feedback",
    "running_server",
]

CHROMIUM = shutil.which("chromium")
LOG = Path(__file__).parents[1] / "feedback_log" / "demo.jsonl"
LEARNED_EVENTS = 147  # events that the demo learned its second version from
POET = [sys.executable, "-P", "-c", "from poet.cli import main; main()"]


@contextmanager
def running_server(folder: Path, *options: str, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `poet serve` until the end of the block; yield its address and its process."""
    command = [*POET, "--workspace", str(folder), "serve", "--port", str(port), *options]
    environment = {**os.environ, "USER": "ana", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield address_of(process), process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        if process.stdout:
            process.stdout.close()


def address_of(process: subprocess.Popen[str]) -> str:
    """Wait until a server is ready and return its address."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, f"the server printed {line!r} and ended with {process.poll()}"
    return found[0]


@contextmanager
def chromium(**context: Any) -> Iterator[Any]:
    """Yield a page of a new browser; `page.complaints` has the errors and warnings of its console."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(**context).new_page()
        complaints: list[str] = []
        page.on(
            "console",
            lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.complaints = complaints  # type: ignore[attr-defined]
        try:
            yield page
        finally:
            browser.close()


def feedback(now: float) -> list[dict[str, Any]]:
    """Return the feedback that the demo learned from, with times that end a minute ago."""
    lines = LOG.read_bytes().splitlines()[:LEARNED_EVENTS]
    events = [msgspec.json.decode(line, type=dict[str, Any]) for line in lines]
    newest = max(msgspec.convert(event["time"], type=datetime).timestamp() for event in events)
    for event in events:
        then = msgspec.convert(event["time"], type=datetime).timestamp()
        event["time"] = then + now - newest - 60.0
    return events


def axe_violations(page: Any, *rules: str) -> list[str]:
    """Return the violations that axe-core finds on the page, each as rule and first element."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": list(rules)} if rules else None).response["violations"]
    places = [(each["id"], each["nodes"][0]) for each in found]
    return [f"{rule}: {place['html'][:200]}: {place.get('failureSummary')}" for rule, place in places]
