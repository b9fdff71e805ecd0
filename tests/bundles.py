"""Fast builders of workspaces, keys and bundles for the tests of `poet.distribute`."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from poet.distribute import PrivateKey, Pulled, pack, pull, sign
from poet_runtime.registry import activate, rollback
from tests.modules import WINDOW, published

__all__ = ["Publisher", "key", "publisher", "served", "tree"]


@cache
def key(number: int = 1) -> PrivateKey:
    """Return a test key; the same number gives the same key."""
    return PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32))


@dataclass(frozen=True)
class Publisher:
    """A folder of versions of the window policy; version n answers 1000 n."""

    generated: Path

    def publish(self, *numbers: int) -> None:
        """Publish further versions."""
        published(self.generated, *numbers)

    def activate(self, number: int) -> None:
        """Activate a version."""
        activate(self.generated, WINDOW, number, who="user/ana", why="a test", at="2026-01-01T00:00:00+00:00")

    def rollback(self) -> int:
        """Activate the previous version."""
        return rollback(self.generated, WINDOW, who="user/ana", why="a test", at="2026-01-01T00:00:00+00:00")

    def bundle(self, *, by: int = 1) -> bytes:
        """Return what `poet bundle` would write."""
        return sign(pack(self.generated), key(by))


def publisher(folder: Path, *numbers: int) -> Publisher:
    """Create a folder of versions."""
    published(folder, *numbers)
    return Publisher(folder)


def served(content: bytes, folder: Path, *, trust: Iterable[int] = (1,), allow_older: bool = False) -> Pulled:
    """Pull a bundle from a file next to the folder."""
    path = folder.with_name(f"{folder.name}.bundle")
    path.write_bytes(content)
    return pull(path, folder, [key(each).public for each in trust], allow_older=allow_older)


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its path, except for locks and notes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".lock", "bundle.json")
    }
