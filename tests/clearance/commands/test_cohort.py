"""Commands `cohort` on a copy of the demo: it is closed, opened again, archived, read back, and erased."""

import json
import shutil
from pathlib import Path

import pyrage
import pytest
from openpyxl import load_workbook

from tests.services.university import University


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, Path]:
    """Return an age public key, and the file of its identity."""
    identity = pyrage.x25519.Identity.generate()
    file = tmp_path / "archive.key"
    file.write_text(f"# public key: {identity.to_public()}\n{identity}\n", encoding="utf-8")
    return str(identity.to_public()), file


def closed(university: University) -> None:
    university.run(
        "cohort", "close", "--reason", "season over", "--as", "registrar", "--folder", str(university.folder)
    )


def archived(university: University, key: tuple[str, Path]) -> Path:
    closed(university)
    file = university.folder / "a.tar.age"
    university.run("cohort", "archive", "--recipient", key[0], "--to", str(file), "--as", "registrar")
    university.run("cohort", "archive", "--verify", str(file), "--identity", str(key[1]), "--as", "dean")
    return file


def without_waiting(university: University) -> None:
    """Have the cohort's data kept for no time."""
    text = university.config.read_text(encoding="utf-8")
    university.config.write_text(f'{text}\n[retention]\nclosed_cohorts = "1 s"\n', encoding="utf-8")


def test_the_report_is_written_and_nothing_changes_any_more(university: University) -> None:
    closed(university)
    assert (university.folder / "clearance-2019-report.pdf").read_bytes().startswith(b"%PDF")
    book = load_workbook(university.folder / "clearance-2019-report.xlsx")
    assert "未办结学生" in book.sheetnames
    assert "nothing in it changes any more" in university.run("sync", code=1)
    assert university.json("verify")["sound"]


def test_closing_twice_changes_nothing_and_opening_again_undoes_it(university: University) -> None:
    closed(university)
    again = university.json("cohort", "close", "--folder", str(university.folder))
    assert again["closed_now"] is False
    assert again["end"]["by"] == "registrar"
    assert "2019 is open again" in university.run("cohort", "reopen", "--reason", "one more week")
    assert "2019 is open." in university.run("cohort", "reopen", "--reason", "one more week")
    assert {outcome["fault"] for outcome in university.json("sync")} == {None}
    assert university.json("verify")["sound"]


def test_an_archive_is_read_back_and_an_archived_cohort_stays_closed(
    university: University, key: tuple[str, Path]
) -> None:
    file = archived(university, key)
    assert "age-encryption.org" in file.read_bytes()[:40].decode("ascii")
    assert "is archived" in university.run("cohort", "reopen", "--reason", "late", code=1)
    (listed,) = university.json("cohort", "list")
    assert listed["end"]["archive"]["verified_by"] == "dean"
    other = university.folder / "other.key"
    other.write_text(f"{pyrage.x25519.Identity.generate()}\n", encoding="utf-8")
    said = university.run("cohort", "archive", "--verify", str(file), "--identity", str(other), code=1)
    assert "cannot be read back" in said


@pytest.mark.parametrize("at", [0.3, 0.7, 0.999])
def test_an_altered_archive_is_refused(university: University, key: tuple[str, Path], at: float) -> None:
    file = archived(university, key)
    content = bytearray(file.read_bytes())
    content[int(len(content) * at)] ^= 1
    file.write_bytes(content)
    said = university.run("cohort", "archive", "--verify", str(file), "--identity", str(key[1]), code=1)
    assert "cannot be read back" in said


def test_nothing_is_erased_before_its_time_or_without_a_second_person(
    university: University, key: tuple[str, Path]
) -> None:
    assert "is open" in university.run("cohort", "purge", code=1)
    closed(university)
    assert "has no verified archive" in university.run("cohort", "purge", code=1)
    archived(university, key)
    assert "is kept until" in university.run("cohort", "purge", "--approved-by", "dean", code=1)
    without_waiting(university)
    assert "a second person approves it" in university.run("cohort", "purge", "--as", "dean", code=1)
    plan = university.json("cohort", "purge", "--plan")
    assert plan["refused"] == ""
    assert plan["rows"]["student"] > 100
    assert university.json("report")["report"]["whole"]["students"] > 0


def _of_another_installation(folder: Path) -> Path:
    """Return a backup of other databases in the same folder."""
    others = folder / "clearance-20190101T000000Z"
    shutil.copytree(next(folder.iterdir()), others)
    manifest = json.loads((others / "manifest.json").read_text("utf-8"))
    (others / "manifest.json").write_text(json.dumps(manifest | {"source": "another"}), "utf-8")
    return others


def test_after_an_erasure_only_the_links_are_left_and_verify_still_passes(
    university: University, key: tuple[str, Path]
) -> None:
    kept, lost = university.folder / "backups", university.folder / "usb"
    university.run("backup", str(kept))
    university.run("backup", str(lost))
    archived(university, key)
    without_waiting(university)
    words = ("cohort", "purge", "--as", "registrar", "--approved-by", "dean", "--backups", str(kept))
    old = {folder.name for folder in kept.iterdir()}
    others = _of_another_installation(kept)
    done = university.json(*words, "--folder", str(university.folder))
    assert done["record"]["erased"]["student"] > 100
    assert {Path(path).name for path in done["record"]["backups_removed"]} == old
    assert [Path(path).parent for path in done["record"]["backups_elsewhere"]] == [lost]
    assert others.is_dir()
    assert len(list(kept.iterdir())) == 2
    assert (university.folder / "clearance-2019-deletion.pdf").read_bytes().startswith(b"%PDF")
    record = json.loads((university.folder / "clearance-2019-deletion.json").read_bytes())
    assert (record["by"], record["approved_by"]) == ("registrar", "dean")
    verified = university.json("verify")
    assert verified["sound"]
    assert verified["desk_sound"]
    assert any("erased as dean approved" in note for note in verified["report"]["notes"])
    assert university.json("cohort", "purge", "--plan")["rows"] == {}
    assert university.json(*words, "--folder", str(university.folder))["record"] == record
    marks = b"".join(file.read_bytes() for file in (university.folder / ".demo").glob("clearance.db*"))
    assert b"20151000001" not in marks
