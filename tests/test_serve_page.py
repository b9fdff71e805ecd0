"""Tests that run the examples of docs/serve.md."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from poet.log import open_log
from tests.workspaces import first_workspace

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
PORTS = ("8484", "8485")


def free_ports() -> dict[str, str]:
    """Return a free port for each port on the page."""
    sockets = [socket.socket() for _ in PORTS]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    found = {port: str(each.getsockname()[1]) for port, each in zip(PORTS, sockets, strict=True)}
    for each in sockets:
        each.close()
    return found


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="needs curl and openssl")
def test_the_commands_run_from_top_to_bottom(tmp_path: Path) -> None:
    """They run in one shell, which ends the servers that they started."""
    first_workspace(tmp_path / "shop")
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    script = "\n".join(re.sub(r"^[$>] ", "", block, flags=re.MULTILINE) for block in blocks)
    for port, free in free_ports().items():
        script = script.replace(port, free)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    run = ["bash", "-euc", f"trap 'kill $(jobs -p); wait' EXIT\n{script}"]
    ended = subprocess.run(
        run, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert '{"accepted":["first"]}' in ended.stdout
    with open_log(tmp_path / "shop" / "feedback_log") as log:
        sources = [stored.event.source for stored in log.read()]
    assert sources == ["user/ana", "monitor/shop/eu", "webhook/ci"]


def test_the_images_of_the_page_exist() -> None:
    """They are small enough for a repository."""
    pictures = [ROOT / "docs" / name for name in re.findall(r"\]\((images/[^)]+)\)", PAGE)]
    assert pictures
    assert max(picture.stat().st_size for picture in pictures) < 150_000
