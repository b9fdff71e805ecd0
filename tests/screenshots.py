"""Take the screenshots of the documentation: ``python -m tests.screenshots [FOLDER]``.

The folder is docs/images by default. The screenshots show a workspace with a version learned from the demo's
feedback, executions in the inbox, and a plan.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from poet import Workspace
from poet.events import parse
from poet.review.html import report_page
from poet.review.report import report_document
from poet.workspace.configuration import initial_text
from tests.browsed import chromium, feedback, running_server
from tests.builders import filled_log
from tests.workspaces import first_workspace

ROOT = Path(__file__).parents[1]
PAGES = {
    "overview": "/",
    "inbox": "/inbox",
    "versions": "/versions/detect_drift",
    "rules": "/rules",
    "rule": "/rules/detect_drift/2/numeric",
    "version": "/versions/detect_drift/2",
    "log": "/log?only=feedback&live=off",
}
PATIENCE_MS = 240_000
WIDE, NARROW = {"width": 1080, "height": 660}, {"width": 390, "height": 780}


def workspace(folder: Path) -> Path:
    """Create the workspace that is shown."""
    shutil.copytree(ROOT / "generated", folder / "generated", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "templates").mkdir()
    (folder / "poet.toml").write_text(initial_text(start="ks"), encoding="utf-8")
    lines = (ROOT / "feedback_log" / "demo.jsonl").read_bytes().splitlines()
    random = np.random.default_rng(7)
    with Workspace.open(folder) as opened:
        opened.log.append([parse(line, source="demo") for line in lines], durable=True)
        detect_drift = opened.policy("detect_drift")
        kinds = np.array(["chrome", "firefox", "safari", "edge"])
        detect_drift(
            random.choice(kinds, 500, p=[0.3, 0.2, 0.4, 0.1]),
            random.choice(kinds, 3000, p=[0.5, 0.2, 0.2, 0.1]),
            feature="browser",
        )
        for feature, shift, spread in (
            ("session_length", 1.4, 1.0),
            ("user_age", -1.1, 0.8),
            ("basket_value", 0.9, 2.2),
            ("latency_p99", 2.4, 1.6),
        ):
            before, now = random.gamma(4.0, 2.0, 4000), random.gamma(4.0, 2.0, 600) * spread + shift
            detect_drift(now, before, feature=feature)
        opened.flush()
    return folder


def main(into: Path) -> None:
    """Take all screenshots in light and dark mode, and the inbox in the width of a phone."""
    into.mkdir(parents=True, exist_ok=True)
    folder = workspace(Path(tempfile.mkdtemp()) / "shop")
    with running_server(folder) as (address, _):
        for scheme in ("light", "dark"):
            with chromium(viewport=WIDE, color_scheme=scheme) as page:
                for name, path in PAGES.items():
                    if scheme == "light" or name in {"overview", "inbox", "rule"}:
                        page.goto(address + path)
                        page.screenshot(path=into / f"{name}{'' if scheme == 'light' else '-dark'}.png")
        with chromium(viewport=NARROW) as page:
            page.goto(f"{address}/inbox")
            page.screenshot(path=into / "inbox-narrow.png")
    with Workspace.open(folder) as opened:
        (folder / "report.html").write_text(report_page(report_document(opened)), encoding="utf-8")
    for scheme in ("light", "dark"):
        with chromium(viewport={"width": 1080, "height": 1250}, color_scheme=scheme) as page:
            page.goto((folder / "report.html").as_uri())
            page.screenshot(path=into / f"report{'' if scheme == 'light' else '-dark'}.png")
    planned = first_workspace(Path(tempfile.mkdtemp()) / "shop")
    events = [parse(msgspec.json.encode(event), source="demo") for event in feedback(time.time())]
    filled_log(planned / "feedback_log", events).close()
    with running_server(planned) as (address, _), chromium(viewport=WIDE) as page:
        page.goto(f"{address}/plans")
        page.get_by_role("button", name="Make a plan").click()
        page.locator("tbody a").first.wait_for(timeout=PATIENCE_MS)
        page.screenshot(path=into / "plans.png")
        page.locator("tbody a").first.click()
        page.screenshot(path=into / "plan.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
