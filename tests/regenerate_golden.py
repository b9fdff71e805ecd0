"""Write the modules of all golden folders again: ``python -m tests.regenerate_golden``."""

from pathlib import Path

from poet.decisions import decode
from poet.render import render

GOLDEN = Path(__file__).parent / "golden"


def cases() -> list[Path]:
    """List the golden folders."""
    return sorted(path.parent for path in GOLDEN.glob("*/*/decisions.json"))


def expected(case: Path) -> tuple[str, bytes]:
    """Give name and bytes of the module that belongs into a folder."""
    decisions = decode((case / "decisions.json").read_bytes())
    return f"{decisions.policy}_v{decisions.version}.py", render(decisions).source.encode()


def main() -> None:
    """Replace the modules of every folder."""
    for case in cases():
        for old in case.glob("*.py"):
            old.unlink()
        name, content = expected(case)
        (case / name).write_bytes(content)


if __name__ == "__main__":
    main()
