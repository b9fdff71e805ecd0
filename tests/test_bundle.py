"""Tests of bundles: what is packed, what is served, and what remains after a failed pull."""

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from poet.distribute import BundleRuntime, make_key, open_bundle, pack, pull, read_key, sign, state, trusted
from poet_runtime.errors import BundleError, RegistryError
from poet_runtime.registry import Registry, read_document
from tests.bundles import key, publisher, served, tree
from tests.modules import WINDOW, forget_source
from tests.workspaces import GENERATED

VELOCITY = ("age", 10.0, "normal")


def answer(folder: Path) -> int:
    """Call the window policy of a new registry."""
    window: int = Registry(folder).policy(WINDOW)(*VELOCITY)
    return window


def test_a_pulled_folder_serves_what_the_workspace_does(tmp_path: Path) -> None:
    """Every policy has the same active version, with equal bytes of module and manifest."""
    path = tmp_path / "bundle"
    path.write_bytes(sign(pack(GENERATED), key()))
    pulled = pull(path, tmp_path / "here", [key().public])
    registry = Registry(tmp_path / "here")
    there = read_document(GENERATED)
    assert pulled.is_new
    assert registry.names() == tuple(sorted(there.policies))
    assert {name: registry.active(name) for name in there.policies} == pulled.active
    assert read_document(tmp_path / "here").generation == there.generation
    for policy, entry in there.policies.items():
        for suffix in (".py", ".json"):
            name = f"{policy}_v{entry.active}{suffix}"
            assert (tmp_path / "here" / name).read_bytes() == (GENERATED / name).read_bytes()
    assert registry.policy("detect_drift")([1.0] * 50, [1.0] * 500).drifted is False


def test_the_same_versions_give_the_same_bytes(tmp_path: Path) -> None:
    """Machine, folder and time have no effect."""
    one = publisher(tmp_path / "a", 1, 2).bundle()
    other = publisher(tmp_path / "b", 1, 2).bundle()
    assert one == other


def test_a_bundle_has_only_the_active_and_the_previous_version(tmp_path: Path) -> None:
    """A fallback goes to the version that ran before."""
    there = publisher(tmp_path / "there", 1, 2, 3)
    assert sorted(pack(there.generated).registry.policies[WINDOW].versions) == ["2", "3"]
    there.activate(1)
    assert sorted(pack(there.generated).registry.policies[WINDOW].versions) == ["1", "3"]


def test_a_bundle_can_have_only_some_policies(tmp_path: Path) -> None:
    """The error for an unknown policy lists the known ones."""
    packed = pack(GENERATED, ["detect_drift"])
    assert list(packed.active) == ["detect_drift"]
    assert sorted(packed.files) == [f"detect_drift_v{n}.{kind}" for n in (1, 2) for kind in ("json", "py")]
    with pytest.raises(BundleError, match="no policy 'guess' is published; published are adaptive_mon"):
        pack(GENERATED, ["guess"])
    with pytest.raises(BundleError, match="contains no published version"):
        pack(tmp_path)


def test_an_edited_version_is_not_packed(tmp_path: Path) -> None:
    """The published source is packed. If the manifest contains none, the error names the file."""
    there = publisher(tmp_path / "there", 1)
    before = there.bundle()
    path = there.generated / f"{WINDOW}_v1.py"
    path.write_text(path.read_text().replace("5000", "6000"))
    assert there.bundle() == before
    forget_source(there.generated, WINDOW)
    with pytest.raises(BundleError, match=f"{WINDOW}_v1.py is not the module that was published"):
        there.bundle()


def test_a_pulled_module_that_is_edited_does_not_run(tmp_path: Path) -> None:
    """The machine without the workspace continues with the signed source."""
    served(publisher(tmp_path / "there", 1).bundle(), tmp_path / "here")
    path = tmp_path / "here" / f"{WINDOW}_v1.py"
    path.write_text(path.read_text().replace("5000", "6000"))
    assert answer(tmp_path / "here") == 5000


def test_running_programs_follow_a_pull(tmp_path: Path) -> None:
    """The same callable changes within a second."""
    there = publisher(tmp_path / "there", 1)
    served(there.bundle(), tmp_path / "here")
    window = Registry(tmp_path / "here").policy(WINDOW)
    assert window(*VELOCITY) == 5000
    there.publish(2)
    served(there.bundle(), tmp_path / "here")
    end = time.monotonic() + 1.0
    while window(*VELOCITY) != 2000:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_rollback_can_be_pulled_and_an_old_bundle_cannot(tmp_path: Path) -> None:
    """A rollback is a new generation. Replaying an old one needs --allow-older."""
    there = publisher(tmp_path / "there", 1, 2)
    before = there.bundle()
    served(before, tmp_path / "here")
    there.rollback()
    served(there.bundle(), tmp_path / "here")
    assert answer(tmp_path / "here") == 5000
    with pytest.raises(BundleError, match=r"of generation 2, which is older; served is 3.*--allow-older"):
        served(before, tmp_path / "here")
    assert answer(tmp_path / "here") == 5000
    served(before, tmp_path / "here", allow_older=True)
    assert answer(tmp_path / "here") == 2000


def test_the_same_generation_with_other_content_is_refused(tmp_path: Path) -> None:
    """Two diverged histories have the same number, and neither replaces the other without a flag."""
    one = publisher(tmp_path / "one", 1, 2)
    shutil.copytree(one.generated, tmp_path / "other")
    other = type(one)(tmp_path / "other")
    one.activate(1)
    other.publish(3)
    served(one.bundle(), tmp_path / "here")
    with pytest.raises(BundleError, match="of generation 3, with other content"):
        served(other.bundle(), tmp_path / "here")


def test_a_version_that_is_served_never_changes(tmp_path: Path) -> None:
    """Even with --allow-older, one number never means two versions."""
    from poet.build.publish import publish
    from tests.modules import validated

    one = publisher(tmp_path / "one", 1)
    shutil.copytree(one.generated, tmp_path / "other")
    one.publish(2)
    publish(
        [validated(2, window=777)], tmp_path / "other", who="user/ana", why="", at="2026-01-01T00:00:00+00:00"
    )
    served(one.bundle(), tmp_path / "here")
    with pytest.raises(BundleError, match="calculate_adaptive_window version 2 in the bundle differs"):
        served(sign(pack(tmp_path / "other"), key()), tmp_path / "here", allow_older=True)


def test_another_workspace_does_not_take_over_a_folder(tmp_path: Path) -> None:
    """The generations of two workspaces are not comparable."""
    served(publisher(tmp_path / "there", 1).bundle(), tmp_path / "here")
    stranger = publisher(tmp_path / "stranger", 1, 2)
    journal = stranger.generated / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b"user/ana", b"user/bob"))
    with pytest.raises(BundleError, match="pull it into another folder"):
        served(stranger.bundle(), tmp_path / "here", allow_older=True)


def test_a_served_policy_does_not_disappear(tmp_path: Path) -> None:
    """A bundle of some policies does not remove the others."""
    generated = tmp_path / "generated"
    shutil.copytree(GENERATED, generated)
    served(sign(pack(generated), key()), tmp_path / "here")
    from poet_runtime.registry import activate

    activate(generated, "detect_drift", 1, who="user/ana", why="", at="2026-01-01T00:00:00+00:00")
    with pytest.raises(BundleError, match="lacks adaptive_monitoring_strategy, which the folder serves"):
        served(sign(pack(generated, ["detect_drift"]), key()), tmp_path / "here")


def test_pulling_into_a_workspace_is_refused(tmp_path: Path) -> None:
    """Nothing in it changes."""
    there = publisher(tmp_path / "there", 1)
    mine = publisher(tmp_path / "mine", 1, 2)
    before = {path.name for path in mine.generated.iterdir()}
    with pytest.raises(BundleError, match="holds versions that are not from a bundle"):
        served(there.bundle(), mine.generated)
    assert {path.name for path in mine.generated.iterdir()} == before


def test_a_required_version_fails_closed(tmp_path: Path) -> None:
    """A bundle without the version or without the policy changes no answer."""
    there = publisher(tmp_path / "there", 1)
    here, path = tmp_path / "here", tmp_path / "bundle"
    path.write_bytes(there.bundle())
    pull(path, here, [key().public])
    there.publish(2)
    path.write_bytes(there.bundle())
    with pytest.raises(BundleError, match="version 3 is required, the bundle has version 2 of it active"):
        pull(path, here, [key().public], require={WINDOW: 3})
    with pytest.raises(BundleError, match="detect_drift version 1 is required, the bundle does not have"):
        pull(path, here, [key().public], require={"detect_drift": 1})
    assert answer(here) == 5000
    pull(path, here, [key().public], require={WINDOW: 2})
    assert answer(here) == 2000


def test_a_requirement_applies_to_the_served_bundle(tmp_path: Path) -> None:
    """The requirement is checked even if the pull finds nothing new."""
    content = publisher(tmp_path / "there", 1).bundle()
    served(content, tmp_path / "here")
    with pytest.raises(BundleError, match="version 2 is required"):
        pull(tmp_path / "here.bundle", tmp_path / "here", [key().public], require={WINDOW: 2})


def test_keys_can_be_rotated(tmp_path: Path) -> None:
    """While both keys are trusted, either may sign. Then the old key is refused."""
    there = publisher(tmp_path / "there", 1)
    served(there.bundle(by=1), tmp_path / "here", trust=(1, 2))
    assert not served(there.bundle(by=2), tmp_path / "here", trust=(1, 2)).is_new
    assert state(tmp_path / "here").key_id == key(2).public.id.hex()
    there.publish(2)
    with pytest.raises(BundleError, match=f"signed by key {key(1).public.id.hex()}, trusted are"):
        served(there.bundle(by=1), tmp_path / "here", trust=(2,))
    served(there.bundle(by=2), tmp_path / "here", trust=(2,))


def test_the_state_has_the_active_versions_and_the_last_error(tmp_path: Path) -> None:
    """A later success removes the error."""
    here, path = tmp_path / "here", tmp_path / "bundle"
    content = publisher(tmp_path / "there", 1).bundle()
    path.write_bytes(content)
    assert state(here).generation == 0
    pull(path, here, [key().public], clock=lambda: 0.0)
    path.write_bytes(content[:-1])
    with pytest.raises(BundleError, match="transfer it again"):
        pull(path, here, [key().public], clock=lambda: 3600.0)
    found = state(here)
    assert (found.generation, found.key_id, found.active) == (1, key().public.id.hex(), {WINDOW: 1})
    assert (found.pulled_at, found.refused_at) == ("1970-01-01T00:00:00+00:00", "1970-01-01T01:00:00+00:00")
    assert "transfer it again" in found.refused
    path.write_bytes(content)
    pull(path, here, [key().public], clock=lambda: 7200.0)
    found = state(here)
    assert (found.refused, found.pulled_at) == ("", "1970-01-01T00:00:00+00:00")
    assert found.checked_at == "1970-01-01T02:00:00+00:00"


def test_a_failed_first_pull_stores_its_reason(tmp_path: Path) -> None:
    """Nothing was served before."""
    with pytest.raises(BundleError, match="cannot be read"):
        pull(tmp_path / "nothing", tmp_path / "here", [key().public])
    assert "cannot be read" in state(tmp_path / "here").refused
    with pytest.raises(RegistryError):
        Registry(tmp_path / "here").policy(WINDOW)


def test_a_version_that_cannot_run_here_is_not_activated(tmp_path: Path) -> None:
    """A module that needs a missing package is refused before the swap, and named."""
    import hashlib

    there = publisher(tmp_path / "there", 1)
    served(there.bundle(), tmp_path / "here")
    there.publish(2)
    packed = pack(there.generated)
    name = f"{WINDOW}_v2"
    source = packed.files[f"{name}.py"] + "\nimport no_such_package\n"
    digest = hashlib.sha256(source.encode()).hexdigest()
    entry = packed.registry.policies[WINDOW]
    manifest_fields = msgspec.json.decode(packed.files[f"{name}.json"])
    manifest = msgspec.json.encode(manifest_fields | {"source": source, "source_sha256": digest}).decode()
    version = msgspec.structs.replace(
        entry.versions["2"], sha256=digest, manifest_sha256=hashlib.sha256(manifest.encode()).hexdigest()
    )
    policies = {WINDOW: msgspec.structs.replace(entry, versions={**entry.versions, "2": version})}
    broken = msgspec.structs.replace(
        packed,
        registry=msgspec.structs.replace(packed.registry, policies=policies),
        files={**packed.files, f"{name}.py": source, f"{name}.json": manifest},
    )
    with pytest.raises(BundleError, match=r"version 2 cannot be loaded here .*no_such_package"):
        served(sign(broken, key()), tmp_path / "here")
    assert answer(tmp_path / "here") == 5000


def test_a_kill_at_any_write_leaves_the_old_version_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next pull completes the work, even if its source is gone."""
    from poet.distribute import fetch as _pull

    there = publisher(tmp_path / "there", 1)
    before = there.bundle()
    there.publish(2)
    after = there.bundle()
    atomic_write: Callable[[Path, bytes], None] = vars(_pull)["atomic_write"]
    seen: set[int] = set()
    for kills_at in range(6):
        here = tmp_path / f"here-{kills_at}"
        served(before, here)
        writes = iter(range(100))

        def killed(path: Path, content: bytes, *, at: int = kills_at, writes: Iterator[int] = writes) -> None:
            if next(writes) == at:
                path.with_name(f".tmp-{path.name}").write_bytes(content[: len(content) // 2])
                raise KeyboardInterrupt
            atomic_write(path, content)

        with monkeypatch.context() as patched:
            patched.setattr(_pull, "atomic_write", killed)
            with contextlib.suppress(KeyboardInterrupt):
                served(after, here)
        is_committed = state(here).generation == 2
        seen.add(answer(here))
        with pytest.raises(BundleError, match="cannot be read"):
            pull(tmp_path / "gone", here, [key().public])
        assert answer(here) == (2000 if is_committed else 5000)
        served(after, here)
        assert answer(here) == 2000
    assert seen == {5000, 2000}


def test_changed_files_in_the_folder_are_restored(tmp_path: Path) -> None:
    """The next pull restores them from the folder's copy of the bundle."""
    there = publisher(tmp_path / "there", 1)
    served(there.bundle(), tmp_path / "here")
    good = tree(tmp_path / "here")
    (tmp_path / "here" / f"{WINDOW}_v1.py").write_text("raise SystemExit")
    (tmp_path / "here" / "registry.json").unlink()
    with pytest.raises(BundleError):
        pull(tmp_path / "gone", tmp_path / "here", [key().public])
    assert tree(tmp_path / "here") == good


def test_a_damaged_copy_fails_closed(tmp_path: Path) -> None:
    """The generation is unknown, so every bundle is refused. The served versions still answer."""
    there = publisher(tmp_path / "there", 1)
    served(there.bundle(), tmp_path / "here")
    (tmp_path / "here" / "bundle.poet").write_bytes(b"poet bundle 1\r\n\0")
    there.publish(2)
    with pytest.raises(BundleError, match="is damaged"):
        served(there.bundle(), tmp_path / "here")
    assert answer(tmp_path / "here") == 5000


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    """A file has its name."""
    (tmp_path / "here").write_text("")
    with pytest.raises(BundleError, match="here cannot be written"):
        served(publisher(tmp_path / "there", 1).bundle(), tmp_path / "here")


def test_a_program_follows_bundles(tmp_path: Path) -> None:
    """The program answers with the last good bundle immediately, and pulls on request."""
    there = publisher(tmp_path / "there", 1)
    path = tmp_path / "bundle"
    path.write_bytes(there.bundle())
    with BundleRuntime(tmp_path / "here", path, trust=[key().public.line]) as runtime:
        with pytest.raises(RegistryError):
            runtime.policy(WINDOW)
        assert runtime.pull().is_new
        window = runtime.policy(WINDOW)
        assert window(*VELOCITY) == 5000
        there.publish(2)
        path.write_bytes(there.bundle())
        assert window(*VELOCITY) == 5000
        runtime.pull()
        assert window(*VELOCITY) == 2000
        path.unlink()
    with BundleRuntime(tmp_path / "here", path, trust=[key().public]) as runtime:
        assert runtime.policy(WINDOW)(*VELOCITY) == 2000
        with pytest.raises(BundleError):
            runtime.pull()
        assert "cannot be read" in runtime.state().refused


def test_a_background_thread_pulls_if_requested(tmp_path: Path) -> None:
    """The thread survives refused bundles, and `close` ends it."""
    there = publisher(tmp_path / "there", 1)
    path = tmp_path / "bundle"
    path.write_bytes(b"nothing")
    runtime = BundleRuntime(tmp_path / "here", path, trust=[key().public], every_s=0.02)
    assert until(lambda: bool(runtime.state().refused))
    path.write_bytes(there.bundle())
    assert until(lambda: runtime.state().generation == 1)
    runtime.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "poet-bundle"]
    assert runtime.policy(WINDOW)(*VELOCITY) == 5000
    with pytest.raises(BundleError, match=r"every_s is 0\.0"):
        BundleRuntime(tmp_path / "here", path, trust=[key().public], every_s=0.0)


def until(true: Callable[[], bool]) -> bool:
    """Wait up to ten seconds for a condition."""
    end = time.monotonic() + 10.0
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def test_concurrent_pulls_do_not_interfere(tmp_path: Path) -> None:
    """Eight threads pull two bundles; in the end the newer one is served completely."""
    from concurrent.futures import ThreadPoolExecutor

    there = publisher(tmp_path / "there", 1)
    paths = [tmp_path / "one", tmp_path / "two"]
    paths[0].write_bytes(there.bundle())
    there.publish(2)
    paths[1].write_bytes(there.bundle())

    def pulled(number: int) -> str:
        try:
            pull(paths[number % 2], tmp_path / "here", [key().public])
        except BundleError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(pulled, range(8)))
    assert all(not text or "which is older" in text for text in errors)
    assert answer(tmp_path / "here") == 2000


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    """The mode is 0600 for any umask. A private key that others can read is refused."""
    before = os.umask(0)
    try:
        public = make_key(tmp_path / "key")
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert read_key(tmp_path / "key").public == public
    with pytest.raises(BundleError, match="never overwritten"):
        make_key(tmp_path / "key")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="never overwritten"):
        make_key(tmp_path / "link")
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(BundleError, match="chmod 600"):
        read_key(tmp_path / "key")


def test_an_invalid_private_key_is_refused(tmp_path: Path) -> None:
    """The file is missing, empty, or contains another kind of key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    with pytest.raises(BundleError, match=r"cannot be read.*`poet keygen"):
        read_key(tmp_path / "none")
    path = tmp_path / "key"
    path.touch(0o600)
    with pytest.raises(BundleError, match="is not a private key"):
        read_key(path)
    path.write_bytes(
        X25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(BundleError, match="is not an Ed25519 key"):
        read_key(path)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "poet-ed25519:",
        "poet-ed25519:" + "A" * 42,
        "poet-ed25519:" + "A" * 42 + "B",
        "A" * 43,
        "ssh-ed25519 A",
    ],
)
def test_an_invalid_public_key_is_refused(line: str) -> None:
    """The key is too short, not canonical or without its prefix. An empty list is refused too."""
    with pytest.raises(BundleError, match="the line that `poet keygen` printed"):
        trusted([line])
    with pytest.raises(BundleError, match="no key is trusted"):
        trusted([])


def test_without_the_library_the_extra_is_named() -> None:
    """All other parts of POET work without it."""
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "import poet, poet_runtime.registry, poet.distribute\n"
        "from pathlib import Path\n"
        "try: poet.distribute.make_key(Path('nowhere'))\n"
        "except poet.PoetError as error: print(error)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'poet-policy-compiler[bundle]'" in ended.stdout


def test_importing_bundles_loads_neither_the_compiler_nor_cryptography() -> None:
    """A program that serves a pulled folder starts as fast as one with a workspace."""
    code = "import sys, poet.distribute; print({'cryptography', 'libcst', 'jinja2'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


def test_a_signature_for_another_purpose_is_refused(tmp_path: Path) -> None:
    """The same bytes are signed without the bundle's context string."""
    content = publisher(tmp_path / "there", 1).bundle()
    head, body = content[:96], content[96:]
    naked = head[:24] + key().sign(head[16:24] + head[88:96] + body) + head[88:] + body
    with pytest.raises(BundleError, match="modified or forged"):
        open_bundle(naked, [key().public])
