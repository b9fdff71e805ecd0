"""A workspace without a compile: copies of version 1 of this repository, which are published and checked."""

import shutil
from pathlib import Path

import msgspec

from poet.workspace.configuration import initial_text
from poet_runtime.registry import TYPES_FILE, package_types, read_document

GENERATED = Path(__file__).parents[1] / "generated"


def first_workspace(folder: Path, *, without: tuple[str, ...] = (), threshold: int = 10) -> Path:
    """Create a workspace, start = ks, with version 1 of every policy except some."""
    document = read_document(GENERATED)
    policies = {
        name: msgspec.structs.replace(entry, active=1, previous=None, versions={"1": entry.versions["1"]})
        for name, entry in document.policies.items()
        if name not in without
    }
    (folder / "generated").mkdir(parents=True)
    (folder / "feedback_log").mkdir()
    (folder / "templates").mkdir()
    for name in policies:
        for suffix in (".py", ".json"):
            shutil.copy(GENERATED / f"{name}_v1{suffix}", folder / "generated")
    shutil.copy(GENERATED / "__init__.py", folder / "generated")
    registry = msgspec.structs.replace(document, policies=policies)
    (folder / "generated" / "registry.json").write_bytes(msgspec.json.encode(registry))
    (folder / "generated" / TYPES_FILE).write_bytes(package_types(registry))
    text = initial_text(start="ks").replace("learning_threshold = 10", f"learning_threshold = {threshold}")
    (folder / "poet.toml").write_text(text, encoding="utf-8")
    return folder
