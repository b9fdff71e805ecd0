"""A compiler is killed after each of its writes: the old version answers or the new one, nothing between."""

import subprocess
import sys
from pathlib import Path

from poet.publish import check_generated
from poet.registry import Registry, read_document
from poet.render import render
from tests.modules import WINDOW, published

DYING = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
left = int(sys.argv[2])
def step(event, arguments):
    global left
    if event in ("os.rename", "open") and watching:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
watching = False
sys.addaudithook(step)
from tests.modules import validated
from poet.publish import publish
module = validated(2)
watching = True
publish([module], Path(sys.argv[1]), who="user/ana", why="a test", at="2026-01-01T00:00:00+00:00")
watching = False
print("done")
"""


def test_a_kill_at_any_write_leaves_a_consistent_workspace(tmp_path: Path) -> None:
    """The next run recovers by itself and publishes."""
    survived, killed = False, 0
    for step in range(1, 40):
        generated = tmp_path / str(step)
        published(generated, 1)
        dying = [sys.executable, "-c", DYING, str(generated), str(step), str(Path(__file__).parents[1])]
        ended = subprocess.run(dying, capture_output=True, check=False, text=True)
        assert read_document(generated).active(WINDOW) in (1, 2)
        registry = Registry(generated)
        assert registry.policy(WINDOW)("f", 10.0, "normal") == {1: 5000, 2: 2000}[registry.active(WINDOW)]
        published(generated, 2)
        assert (read_document(generated).active(WINDOW), check_generated(generated, render)) == (2, [])
        survived = ended.stdout.strip() == "done"
        if survived:
            break
        killed += 1
    assert survived
    assert killed > 5
