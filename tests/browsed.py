"""A served workspace in a process of its own, and Debian's Chromium to look at it with."""

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

__all__ = ["CHROMIUM", "TAUGHT", "address_of", "axe_violations", "chromium", "feedback", "started"]

CHROMIUM = shutil.which("chromium")
LOG = Path(__file__).parents[1] / "feedback_log" / "demo.jsonl"
TAUGHT = 147  # events of the demo from which it learned its second version
POET = [sys.executable, "-P", "-c", "from poet.cli import main; main()"]


@contextmanager
def started(folder: Path, *options: str, port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `poet serve` until the end of the block; gives its address."""
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
    """Wait until a server answers, and give its address."""
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.search(r"http://\S+", line)
    assert found, f"the server said {line!r} and ended with {process.poll()}"
    return found[0]


@contextmanager
def chromium(**context: Any) -> Iterator[Any]:
    """Open a page of a browser; what it complains of on its console is kept as `page.complaints`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(**context).new_page()
        complaints: list[str] = []
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None,
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.complaints = complaints  # type: ignore[attr-defined]
        try:
            yield page
        finally:
            browser.close()


def feedback(now: float) -> list[dict[str, Any]]:
    """Give what taught the demo, as if it had come until now."""
    lines = LOG.read_bytes().splitlines()[:TAUGHT]
    events = [msgspec.json.decode(line, type=dict[str, Any]) for line in lines]
    newest = max(msgspec.convert(event["time"], type=datetime).timestamp() for event in events)
    for event in events:
        then = msgspec.convert(event["time"], type=datetime).timestamp()
        event["time"] = then + now - newest - 60.0
    return events


def axe_violations(page: Any, *rules: str) -> list[str]:
    """Say what axe-core finds on the page as it stands, by all rules or some: rule and first place each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": list(rules)} if rules else None).response["violations"]
    places = [(each["id"], each["nodes"][0]) for each in found]
    return [f"{rule}: {place['html'][:200]}: {place.get('failureSummary')}" for rule, place in places]
