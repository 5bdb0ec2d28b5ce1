"""The encrypted archive: whole or not there, and every member checked when it is read back."""

import resource
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyrage
import pytest

from clearance.seasons import archive
from status_db.seasons.ending import EndingRefused
from tests.cast import GEOLOGY_LOANS
from tests.world import COHORT, World

_ROOT = Path(__file__).parents[3]


@pytest.fixture
def identity() -> Any:
    """Return a new age identity."""
    return pyrage.x25519.Identity.generate()


def written(world: World, file: Path, identity: Any, documents: dict[str, bytes] | None = None) -> Any:
    facts = {"made_at": world.now.isoformat()}
    return archive.write(file, world.engine, world.desk_engine, COHORT, facts, documents or {}, [identity.to_public()])


def test_it_has_the_rows_the_links_and_the_documents(world: World, tmp_path: Path, identity: Any) -> None:
    world.says["loans"] = list(GEOLOGY_LOANS)
    world.run_all()
    file = tmp_path / "a.age"
    made = written(world, file, identity, {"report.pdf": b"%PDF-1"})
    found = archive.verify(file, [identity])
    assert (found.sha256, found.rows) == (made.sha256, made.rows)
    rows = {member["name"].split("/")[1] for member in found.manifest["members"] if member["rows"]}
    assert {"ledger", "student", "record", "status", "flip", "run"} <= rows
    assert file.stat().st_mode & 0o077 == 0
    with tarfile.open(fileobj=BytesIO(pyrage.decrypt(file.read_bytes(), [identity]))) as tar:
        content = tar.extractfile("report.pdf")
        assert content is not None
        assert content.read() == b"%PDF-1"


def test_the_program_age_reads_it(sqlite_world: World, tmp_path: Path, identity: Any) -> None:
    """Debian's own `age` decrypts what was written here, without this program."""
    sqlite_world.run_all()
    file, key = tmp_path / "a.age", tmp_path / "key"
    written(sqlite_world, file, identity)
    key.write_text(f"{identity}\n", encoding="ascii")
    try:
        done = subprocess.run(["age", "-d", "-i", key, file], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("age is not installed")
    with tarfile.open(fileobj=BytesIO(done.stdout)) as tar:
        assert archive.MANIFEST in tar.getnames()


_FULL = """
import resource, sys
from pathlib import Path
import pyrage
from clearance.seasons import archive
from status_db.store.engine import open_reading
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
to = pyrage.x25519.Recipient.from_str(sys.argv[5])
marks, desk = open_reading(sys.argv[1]), open_reading(sys.argv[2])
try:
    archive.write(Path(sys.argv[3]), marks, desk, "2019", {}, {"big": bytes(3_000_000)}, [to])
except archive.EndingRefused as refused:
    print(refused)
    sys.exit(1)
"""


@pytest.mark.parametrize("limit", [0, 1, 200, 70_000, 2_000_000])
def test_a_full_disk_leaves_nothing_and_the_message_names_it(
    sqlite_world: World, tmp_path: Path, identity: Any, limit: int
) -> None:
    sqlite_world.run_all()
    folder = tmp_path / "archives"
    urls = [str(engine.url) for engine in (sqlite_world.engine, sqlite_world.desk_engine)]
    words: Sequence[str] = (*urls, str(folder / "a.age"), str(limit), str(identity.to_public()))
    done = subprocess.run([sys.executable, "-c", _FULL, *words], cwd=_ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "Nothing of it is left. Check that there is space" in done.stdout
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_file_that_is_there_is_never_replaced(sqlite_world: World, tmp_path: Path, identity: Any) -> None:
    file = tmp_path / "a.age"
    file.write_bytes(b"another")
    with pytest.raises(EndingRefused, match="already exists"):
        written(sqlite_world, file, identity)
    assert file.read_bytes() == b"another"


def test_an_archive_that_was_cut_is_refused_at_any_length(sqlite_world: World, tmp_path: Path, identity: Any) -> None:
    sqlite_world.run_all()
    file = tmp_path / "a.age"
    written(sqlite_world, file, identity)
    whole = file.read_bytes()
    for length in (0, 50, 200, len(whole) // 2, len(whole) - 17, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(EndingRefused, match="cannot be read back"):
            archive.verify(file, [identity])


@pytest.mark.parametrize("member", ["altered", "added", "missing"])
def test_a_member_that_does_not_match_the_manifest_is_named(
    sqlite_world: World, tmp_path: Path, identity: Any, member: str
) -> None:
    file = tmp_path / "a.age"
    written(sqlite_world, file, identity, {"one": b"1", "two": b"2"})
    into = BytesIO()
    with (
        tarfile.open(fileobj=BytesIO(pyrage.decrypt(file.read_bytes(), [identity]))) as tar,
        tarfile.open(fileobj=into, mode="w") as other,
    ):
        for info in tar:
            content = tar.extractfile(info)
            assert content is not None
            if info.name == "one" and member == "missing":
                continue
            other.addfile(info, BytesIO(b"9") if info.name == "one" and member == "altered" else content)
        if member == "added":
            other.addfile(tarfile.TarInfo("one.more"), BytesIO())
    file.write_bytes(pyrage.encrypt(into.getvalue(), [identity.to_public()]))
    with pytest.raises(EndingRefused, match="one"):
        archive.verify(file, [identity])


def test_recipients_and_identities_that_are_none_are_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(EndingRefused, match="age-keygen"):
        archive.parse_recipients([])
    with pytest.raises(EndingRefused, match="begins with age1"):
        archive.parse_recipients(["ssh-rsa AAAA"])
    file = tmp_path / "key"
    file.write_text("# nothing\n", encoding="ascii")
    with pytest.raises(EndingRefused, match="has no age identity"):
        archive.read_identities(file)
    with pytest.raises(EndingRefused, match="cannot be read as an age key"):
        archive.read_identities(tmp_path / "nowhere")
