"""What shadows were seen to do: a file of counts that every process adds lines to.

A line holds what is new since the process's last one, so the sum of all lines is what is known, and a few
witnesses. Lines are short and written in one append each, so that processes do not cut into one another.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from poet.errors import RegistryError

__all__ = ["FILE", "Tally", "Witness", "add_to_file", "read_tallies"]

FILE = "shadow.jsonl"


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """One call that two versions answered differently, in brief."""

    difference: str
    feature: str
    champion: str
    shadow: str


class Tally(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How often a shadow was compared with the version that answered, and how it differed."""

    policy: str
    version: int
    sha256: str
    champion: int
    compared: int = 0
    quieter: int = 0
    louder: int = 0
    otherwise: int = 0
    failed: int = 0
    skipped: int = 0  # sampled calls that were too large, too many at once, or not safe to run twice
    witnesses: list[Witness] = []

    @property
    def differ(self) -> int:
        """The compared calls that were answered differently."""
        return self.quieter + self.louder + self.otherwise

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.compared or self.failed or self.skipped)

    def __add__(self, other: "Tally") -> "Tally":
        """Give both together."""
        counts = ("compared", "quieter", "louder", "otherwise", "failed", "skipped")
        sums = {name: getattr(self, name) + getattr(other, name) for name in counts}
        return msgspec.structs.replace(self, **sums, witnesses=self.witnesses + other.witnesses)

    def __str__(self) -> str:
        said = f"{_grouped(self.compared)} compared, {_grouped(self.differ)} differ"
        kinds = (("quieter", self.quieter), ("louder", self.louder), ("otherwise", self.otherwise))
        told = ", ".join(f"{_grouped(count)} {name}" for name, count in kinds if count)
        said += f" ({told})" if told else ""
        said += f", {_grouped(self.failed)} failed"
        return said + (f", {_grouped(self.skipped)} skipped" if self.skipped else "")


def add_to_file(folder: Path, tallies: Iterable[Tally]) -> None:
    """Append what is new."""
    content = b"".join(msgspec.json.encode(each) + b"\n" for each in tallies)
    with (folder / FILE).open("ab", buffering=0) as file:  # one write: lines of several processes do not mix
        file.write(content)


def read_tallies(folder: Path) -> dict[tuple[str, int, str, int], Tally]:
    """Give what is known by policy, version, digest and version that answered.

    Raises
    ------
    RegistryError
        A line that is whole is not one of a tally.
    """
    path = folder / FILE
    content = path.read_bytes() if path.exists() else b""
    found: dict[tuple[str, int, str, int], Tally] = {}
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            new = msgspec.json.decode(line, type=Tally)
        except msgspec.DecodeError as error:
            raise RegistryError(f"{path}, line {number}: {error}; move the file away") from error
        key = new.policy, new.version, new.sha256, new.champion
        found[key] = found[key] + new if key in found else new
    return found


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", " ")
