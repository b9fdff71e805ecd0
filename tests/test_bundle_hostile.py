"""Tests of bundles from an attacker, without a trusted key and with one."""

import hashlib
import os
import random
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poet.distribute import BundleDocument, open_bundle, pack, pull, sign
from poet.distribute.bundle import LARGEST_FILE, encode
from poet_runtime.errors import BundleError
from poet_runtime.registry import Registry, VersionEntry
from tests.bundles import key, publisher, served, tree
from tests.hostile import hostile_text
from tests.modules import WINDOW

HEAD = 96


@cache
def small() -> bytes:
    """Return the bundle of one version of one policy."""
    with TemporaryDirectory() as folder:
        return publisher(Path(folder), 1).bundle()


@cache
def newer() -> bytes:
    """Return the bundle of the same workspace, one version later."""
    with TemporaryDirectory() as folder:
        return publisher(Path(folder), 1, 2).bundle()


@contextmanager
def protected(content: bytes) -> Iterator[tuple[Path, Path]]:
    """Yield a folder that serves version 1 and a path with these bytes; check that nothing changed."""
    with TemporaryDirectory() as name:
        outside = Path(name)
        (outside / "a").mkdir()
        served(small(), outside / "a" / "here")
        path = outside / "a" / "offered"
        path.write_bytes(content)
        before = tree(outside)
        yield outside / "a" / "here", path
        assert tree(outside) == before
        assert Registry(outside / "a" / "here").policy(WINDOW)("age", 10.0, "normal") == 5000


def is_refused(content: bytes) -> bool:
    """Return whether verification alone refuses these bytes."""
    try:
        open_bundle(content, [key().public])
    except BundleError:
        return True
    return False


def test_a_changed_byte_is_refused_at_any_position() -> None:
    """Every bit of the header changes, and every byte of the document in two ways."""
    content = small()
    assert not is_refused(content)
    for position in range(len(content)):
        flips = [1 << bit for bit in range(8)] if position < HEAD else [1, 0x80]
        for flip in flips:
            changed = bytearray(content)
            changed[position] ^= flip
            assert is_refused(bytes(changed)), (position, flip)


def test_every_truncation_and_every_addition_is_refused() -> None:
    """The bundle is cut at any length, has one more byte, or is repeated."""
    content = small()
    for length in range(len(content)):
        assert is_refused(content[:length]), length
    for more in (b"\0", b"\n", b"x" * 1000, content):
        assert is_refused(content + more)
        assert is_refused(more + content)


def test_a_truncation_differs_from_a_forgery() -> None:
    """The error of a truncation has another next step."""
    with pytest.raises(BundleError, match="transfer it again"):
        open_bundle(small()[:-1], [key().public])
    with pytest.raises(BundleError, match="forged"):
        open_bundle(small()[:-1] + b"x", [key().public])
    with pytest.raises(BundleError, match="this is not a bundle"):
        open_bundle(b"PK\x03\x04", [key().public])


def test_parts_of_two_bundles_cannot_be_combined() -> None:
    """A signature fits only its document, and a key id only its key."""
    one, other = small(), newer()
    assert is_refused(one[:88] + other[88:])
    assert is_refused(other[:88] + one[88:])
    forged = sign(document(), key(2))
    assert is_refused(forged)
    assert is_refused(forged[:16] + key().public.id + forged[24:])


def test_a_signature_has_one_form() -> None:
    """Adding the group order to its second half gives another one that careless libraries accept."""
    content = small()
    order = 2**252 + 27742317777372353535851937790883648493
    second = int.from_bytes(content[56:88], "little") + order
    assert is_refused(content[:56] + second.to_bytes(32, "little") + content[88:])


def test_nothing_is_parsed_before_it_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unsigned bytes do not reach the decoder."""
    import poet.distribute.bundle as envelope

    def reached(_content: bytes) -> BundleDocument:
        raise AssertionError

    monkeypatch.setattr(envelope, "decode", reached)
    assert is_refused(forged_of(b"{}", by=2))
    with pytest.raises(AssertionError):
        open_bundle(small(), [key().public])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_mutation_is_ever_served_or_written(data: st.DataObject) -> None:
    """Cuts, splices and changed ranges leave the folder and its surroundings unchanged."""
    content = bytearray(data.draw(st.sampled_from([small(), newer()])))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 64)))
        content[start:end] = data.draw(st.binary(max_size=64))
    if bytes(content) in (small(), newer()):
        return
    with protected(bytes(content)) as (here, path), pytest.raises(BundleError):
        pull(path, here, [key().public])


# The following bundles are signed with a trusted key: the publisher is compromised or broken.


def document() -> BundleDocument:
    """Return the document of the small bundle."""
    return open_bundle(small(), [key().public]).document


def forged_of(body: bytes, *, by: int = 1) -> bytes:
    """Sign any bytes, without the checks of our code."""
    length = struct.pack(">Q", len(body))
    private = key(by)
    signature = private.sign(b"poet policy bundle, signature 1\0" + private.public.id + length + body)
    return b"poet bundle 1\r\n\0" + private.public.id + signature + length + body


def raw(change: Callable[[dict[str, Any]], None]) -> bytes:
    """Change the small bundle's document and sign it."""
    held = msgspec.json.decode(encode(document()))
    change(held)
    return forged_of(msgspec.json.encode(held, order="sorted"))


def test_forging_equals_signing() -> None:
    """The bundles below are therefore refused for their content."""
    assert raw(lambda _held: None) == small()


def named(policy: str, number: str = "1") -> Callable[[dict[str, Any]], None]:
    """Rename the policy or the version everywhere, with matching digests."""

    def change(held: dict[str, Any]) -> None:
        (entry,) = held["registry"]["policies"].values()
        (version,) = entry["versions"].values()
        manifest = msgspec.json.decode(held["files"][f"{WINDOW}_v1.json"])
        manifest |= {"policy": policy, "version": int(number) if number.isdecimal() else 1}
        text = msgspec.json.encode(manifest).decode()
        module = held["files"][f"{WINDOW}_v1.py"]
        version |= {
            "module": f"{policy}_v{number}.py",
            "manifest_sha256": hashlib.sha256(text.encode()).hexdigest(),
        }
        entry |= {"active": manifest["version"], "versions": {number: version}}
        held["registry"]["policies"] = {policy: entry}
        held["files"] = {f"{policy}_v{number}.py": module, f"{policy}_v{number}.json": text}

    return change


@pytest.mark.parametrize(
    "policy",
    [
        "../evil",
        "/etc/evil",
        "a/b",
        "..",
        ".",
        "",
        "a\\b",
        "..\\evil",
        "C:evil",
        "evil\0",
        "evil\n",
        "Evil",
        "__init__",
        "_evil",
        "évil",
        "e\u0301vil",
        "\uff45vil",
        "a" * 61,
        "evil ",
        ".tmp-evil",
        "~root",
        "%2e%2e%2fevil",
    ],
)
def test_no_name_escapes_the_folder(policy: str) -> None:
    """Paths, drives, NUL, line breaks, homoglyphs and capitals are not policy names."""
    with (
        protected(raw(named(policy))) as (here, path),
        pytest.raises(BundleError, match="not a policy name"),
    ):
        pull(path, here, [key().public])


@pytest.mark.parametrize("number", ["0", "01", "-1", "1_0", "²", "\u0661", "1/../2", "", "1" * 10])
def test_a_version_number_has_one_spelling(number: str) -> None:
    """Digits of other scripts, leading zeros and signs are not version numbers."""
    with protected(raw(named("evil", number))) as (here, path), pytest.raises(BundleError, match="evil"):
        pull(path, here, [key().public])


@given(hostile_text())
@settings(max_examples=150, deadline=None)
def test_no_file_name_is_taken_from_a_bundle(name: str) -> None:
    """An additional file with any name causes the bundle to be refused."""

    def change(held: dict[str, Any]) -> None:
        held["files"][name] = "evil"

    try:
        content = raw(change)
    except UnicodeEncodeError:
        return  # our JSON cannot represent it
    with protected(content) as (here, path), pytest.raises(BundleError):
        pull(path, here, [key().public])


def add_manifest_of_another(held: dict[str, Any]) -> None:
    """Add a manifest of another module with a matching digest."""
    fields = msgspec.json.decode(held["files"][f"{WINDOW}_v1.json"]) | {"version": 2}
    manifest = msgspec.json.encode(fields).decode()
    held["files"][f"{WINDOW}_v1.json"] = manifest
    entry = held["registry"]["policies"][WINDOW]["versions"]["1"]
    entry["manifest_sha256"] = hashlib.sha256(manifest.encode()).hexdigest()


def add_another_source(held: dict[str, Any]) -> None:
    """Store another source into a manifest than its module has."""
    name = f"{WINDOW}_v1.json"
    fields = msgspec.json.decode(held["files"][name])
    held["files"][name] = msgspec.json.encode(fields | {"source": "evil"}).decode()
    entry = held["registry"]["policies"][WINDOW]["versions"]["1"]
    entry["manifest_sha256"] = hashlib.sha256(held["files"][name].encode()).hexdigest()


def set_too_large(held: dict[str, Any]) -> None:
    """Make a module larger than the limit."""
    source = "#" * (LARGEST_FILE + 1)
    held["files"][f"{WINDOW}_v1.py"] = source
    entry = held["registry"]["policies"][WINDOW]["versions"]["1"]
    entry["sha256"] = hashlib.sha256(source.encode()).hexdigest()


LIES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a module with another digest": (
        lambda held: held["files"].update({f"{WINDOW}_v1.py": "evil"}),
        "is not the file that the bundle's registry names",
    ),
    "a manifest with another digest": (
        lambda held: held["files"].update({f"{WINDOW}_v1.json": "{}"}),
        "is not the file that the bundle's registry names",
    ),
    "the manifest of another module": (add_manifest_of_another, "is the manifest of another module"),
    "a manifest with another source": (add_another_source, "have different sources"),
    "a module that is missing": (lambda held: held["files"].pop(f"{WINDOW}_v1.py"), "the bundle lacks"),
    "a manifest that is missing": (lambda held: held["files"].pop(f"{WINDOW}_v1.json"), "the bundle lacks"),
    "a file too many": (lambda held: held["files"].update({"registry.json": "{}"}), "does not name"),
    "a file that is too large": (set_too_large, "files in a bundle have at most"),
    "a version that is not active": (
        lambda held: held["registry"]["policies"][WINDOW].update(active=2),
        "exactly the active and the previous version",
    ),
    "a module by another name": (
        lambda held: held["registry"]["policies"][WINDOW]["versions"]["1"].update(module="../evil.py"),
        "the bundle's registry is invalid",
    ),
    "no policy": (lambda held: held.update(files={}, registry={"format": 1, "generation": 1, "policies": {}}),
                  "no published version"),
    "no generation": (lambda held: held["registry"].update(generation=0), "no published version"),
    "a later format": (lambda held: held.update(format=2), "has format 2, this release reads 1"),
    "an unknown field": (lambda held: held.update(evil=1), "unknown field `evil`"),
    "a hidden field": (lambda held: held["registry"].update(evil=1), "not in its canonical form"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_signed_inconsistent_document_is_refused(lie: str) -> None:
    """The error states which check failed."""
    change, reason = LIES[lie]
    with protected(raw(change)) as (here, path), pytest.raises(BundleError, match=reason):
        pull(path, here, [key().public])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"files":' * 100_000,
        b"\xff\xfe",
        small()[HEAD:] + b"\n",
        b" " + small()[HEAD:],
        small()[HEAD:].replace(b'{"files":{', b'{"files":{},"files":{', 1),
        small()[HEAD:].replace(b'{"files":{', b'{"files":{"calculate_adaptive_window_v1.py":"evil",', 1),
        small()[HEAD:].replace(b'"generation":1', b'"generation":1.0', 1),
        small()[HEAD:].replace(b'"generation":1', b'"generation":1e0', 1),
        small()[HEAD:].replace(b'"origin":"', b'"origin":"\\u0061', 1),
    ],
    ids=range(13),
)
def test_a_document_has_one_spelling(body: bytes) -> None:
    """Duplicate keys, white space, order, number formats, escapes and depth are refused even if signed."""
    with (
        protected(forged_of(body)) as (here, path),
        pytest.raises(BundleError, match=r"document|no published"),
    ):
        pull(path, here, [key().public])


def test_a_module_of_hostile_text_arrives_unchanged(tmp_path: Path) -> None:
    """Line breaks and separators are ordinary bytes. Loading checks what may run."""
    held = document()
    (entry,) = held.registry.policies.values()
    source = held.files[f"{WINDOW}_v1.py"] + "# \u2028 \x85 \t é\r\n"
    digest = hashlib.sha256(source.encode()).hexdigest()
    fields = msgspec.json.decode(held.files[f"{WINDOW}_v1.json"])
    manifest = msgspec.json.encode(fields | {"source": source, "source_sha256": digest}).decode()
    version = VersionEntry(
        module=f"{WINDOW}_v1.py", sha256=digest, manifest_sha256=hashlib.sha256(manifest.encode()).hexdigest()
    )
    policies = {WINDOW: msgspec.structs.replace(entry, versions={"1": version})}
    changed = msgspec.structs.replace(
        held,
        registry=msgspec.structs.replace(held.registry, policies=policies),
        files={f"{WINDOW}_v1.py": source, f"{WINDOW}_v1.json": manifest},
    )
    served(sign(changed, key()), tmp_path / "here")
    assert (tmp_path / "here" / f"{WINDOW}_v1.py").read_bytes() == source.encode()


def test_an_oversized_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sparse file of a terabyte costs no more than the limit."""
    monkeypatch.setattr("poet.distribute.fetch.LARGEST", 1000)
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(BundleError, match="has more than 1000 bytes"):
        pull(tmp_path / "huge", tmp_path / "here", [key().public])


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A pipe would never end, and a folder has no bytes."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(BundleError, match="is not a file"):
            pull(tmp_path / name, tmp_path / "here", [key().public])


def test_a_bundle_that_every_runtime_refuses_is_not_created(monkeypatch: pytest.MonkeyPatch) -> None:
    """The publisher gets the error first."""
    held = document()
    monkeypatch.setattr("poet.distribute.bundle.LARGEST", 1000)
    with pytest.raises(BundleError, match="bundle only some of the policies"):
        sign(held, key())


def test_random_bytes_are_not_a_bundle() -> None:
    """The bytes have any length, with or without the magic prefix."""
    chance = random.Random(1)
    for _ in range(500):
        noise = chance.randbytes(chance.randrange(400))
        assert is_refused(noise)
        assert is_refused(small()[:16] + noise)


def test_packing_refuses_what_pulling_would(tmp_path: Path) -> None:
    """The name of the policy is not allowed in a bundle."""
    there = publisher(tmp_path, 1)
    registry = there.generated / "registry.json"
    registry.write_text(registry.read_text().replace(WINDOW, "Window"))
    for suffix in (".py", ".json"):
        (there.generated / f"{WINDOW}_v1{suffix}").rename(there.generated / f"Window_v1{suffix}")
    with pytest.raises(BundleError, match="'Window' is not a policy name"):
        pack(there.generated)
