"""Backup and restore as people run them: real processes on a copy of the demo."""

import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

from demo.clock import DemoClock
from tests.clearance.test_commands import HELD, asked
from tests.patience import PATIENCE
from tests.services.university import COMMAND, University, free_port


def backed_up(university: University, *options: str) -> Path:
    """Run a backup and return its folder."""
    said = university.run("backup", str(university.folder / "backups"), *options)
    assert "verified" in said
    return Path(said.split(": ")[0])


def backups(university: University) -> list[str]:
    """What lies where the backups are."""
    return sorted(file.name for file in (university.folder / "backups").iterdir())


def marks(university: University) -> list[Any]:
    """What the commands say of the sources and of one student."""
    shown = [university.json("sources"), university.json("status", HELD)["standings"]]
    for source in shown[0]:
        source.pop("stale", None)
    return shown


class TestTheDrill:
    def test_what_came_after_the_backup_is_gone_and_a_sync_brings_it_back(self, university: University) -> None:
        before = marks(university)
        folder = backed_up(university)
        clock = university.folder / ".demo" / "clock"
        today = clock.read_text(encoding="ascii")
        university.run("demo", "advance")
        university.run("sync")
        after = marks(university)
        assert after != before
        said = university.run("restore", str(folder), code=1)
        assert "Use --replace to move it aside and restore in its place" in said
        assert marks(university) == after
        said = university.run("restore", str(folder), "--replace")
        assert "Restored as of" in said
        assert said.count("The previous database is kept") == 2
        assert "clearance sync" in said
        # A day later the same answers would be stale.
        tomorrow = clock.read_text(encoding="ascii")
        clock.write_text(today, encoding="ascii")
        assert marks(university) == before
        clock.write_text(tomorrow, encoding="ascii")
        assert {run["state"] for run in university.json("sync")} == {"applied", "unchanged"}

    def test_a_lost_database_comes_back(self, university: University) -> None:
        before = marks(university)
        folder = backed_up(university)
        for file in (university.folder / ".demo").glob("clearance*.db*"):
            file.unlink()
        assert "clearance db upgrade" in university.run("sources", code=1)
        university.run("restore", str(folder))
        assert marks(university) == before

    def test_it_is_made_while_pages_are_served_and_put_back_only_when_not(self, university: University) -> None:
        port = free_port()
        process = university.start("serve", "--port", str(port))
        try:
            assert b'"ok":true' in asked(f"http://127.0.0.1:{port}/healthz")
            folder = backed_up(university)
            said = university.run("restore", str(folder), "--replace", code=1)
            assert "open in another process" in said
            assert "Stop `clearance schedule` and `clearance serve`" in said
            assert b'"ok":true' in asked(f"http://127.0.0.1:{port}/healthz")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE)
        university.run("restore", str(folder), "--replace")

    def test_on_postgresql_it_is_the_same(self, tmp_path: Path, postgres_url: str, postgres_tools: Path) -> None:
        environ = {"DEMO_STATUS_URL": postgres_url, "CLEARANCE__STATUS_DB__POSTGRES_TOOLS": str(postgres_tools)}
        with University(tmp_path, environ) as university:
            university.offices.write(0)
            university.run("db", "upgrade")
            university.run("sync", "roster")
            before = university.json("runs", "list")
            folder = backed_up(university)
            university.run("sync", "roster")
            assert "Make a backup of it first" in university.run("restore", str(folder), code=1)
            university.run("restore", str(folder), "--replace")
            assert university.json("runs", "list") == before


class TestWhatIsKept:
    def test_so_many_are_kept(self, university: University) -> None:
        made = [backed_up(university)]
        for _ in range(2):
            # A backup is named by its second.
            DemoClock(university.offices.folder.parent / "clock").advance(1)
            made.append(backed_up(university, "--keep", "2"))
        assert backups(university) == [made[1].name, made[2].name]

    def test_a_full_disk_leaves_nothing_and_reports_it(self, university: University) -> None:
        def little_room() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        ended = subprocess.run(
            [COMMAND, "--config", university.config, "backup", university.folder / "backups"],
            env=university.environ,
            preexec_fn=little_room,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 1
        assert "could not be copied" in ended.stderr
        assert "Free space there" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert backups(university) == []

    def test_a_folder_that_cannot_be_is_reported(self, university: University) -> None:
        (university.folder / "backups").write_text("a file", encoding="utf-8")
        assert "can write there" in university.run("backup", str(university.folder / "backups"), code=1)

    def test_zero_is_no_number_to_keep(self, university: University) -> None:
        university.run("backup", str(university.folder / "backups"), "--keep", "0", code=2)

    def test_it_is_reported_as_json(self, university: University) -> None:
        said = university.json("backup", str(university.folder / "backups"))
        assert Path(said["folder"]).is_dir()
        assert [member["file"] for member in said["manifest"]["members"]] == ["marks.db", "desk.db"]

    def test_what_is_no_backup_is_not_restored(self, university: University) -> None:
        assert "is not a backup" in university.run("restore", str(university.folder), code=1)
