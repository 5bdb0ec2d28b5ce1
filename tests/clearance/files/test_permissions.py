"""What the program writes is for its own user alone, and what others may read or change is named with the fix."""

import os
import shlex
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from clearance.main import app
from status_db.desk.address import desk_url
from status_db.ledger.key import read
from status_db.store.engine import open_writing
from status_db.store.keys import KeyRefused
from status_db.store.migrate import upgrade
from tests.patience import PATIENCE
from tests.services.university import ROOT
from tests.world import SETTINGS, World

pytestmark = pytest.mark.skipif(os.name != "posix", reason="elsewhere rights are no mode")


def modes(folder: Path) -> dict[str, str]:
    """Return the mode of each file and folder below this one."""
    return {str(path.relative_to(folder)): f"{stat.S_IMODE(path.stat().st_mode):03o}" for path in folder.rglob("*")}


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Have the system keep no right back by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
class TestWithNoUmaskOfItsOwn:
    def test_a_command_and_its_children_write_nothing_for_others(self, tmp_path: Path) -> None:
        file = tmp_path / "clearance.toml"
        file.write_text(SETTINGS, encoding="utf-8")
        before = set(modes(tmp_path))
        script = (
            "import subprocess, sys\n"
            "import clearance.main as main\n"
            "main.app = lambda *_, **__: subprocess.run(['mkdir', '-p', sys.argv[1] + '/a/b'], check=True)\n"
            "main.main([])"
        )
        environ = {**os.environ, "STATUS_URL": f"sqlite:///{tmp_path / 'deep' / 'er' / 'clearance.db'}"}
        for words in (
            ["-c", script, str(tmp_path / "child")],
            ["-m", "clearance", "-c", str(file), "db", "upgrade"],
            ["-m", "clearance", "-c", str(file), "report", "--xlsx", str(tmp_path / "sheet.xlsx")],
        ):
            done = subprocess.run(
                [sys.executable, *words], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
            )
            assert done.returncode == 0, (words, done.stdout, done.stderr)
        # No process sets a umask here: these make their files so by themselves.
        backed_up = CliRunner().invoke(
            app, ["-c", str(file), "backup", str(tmp_path / "kept" / "backups")], env=environ
        )
        assert backed_up.exit_code == 0, backed_up.output
        made = {name: mode for name, mode in modes(tmp_path).items() if name not in before}
        assert {"child/a/b", "deep/er/clearance.db", "deep/er/clearance-desk.db", "sheet.xlsx"} <= set(made)
        assert {
            name: mode for name, mode in made.items() if mode != ("700" if (tmp_path / name).is_dir() else "600")
        } == {}

    def test_a_database_its_log_and_its_folder_are_for_their_owner(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'a' / 'b' / 'clearance.db'}"
        upgrade(url, "marks")
        engine = open_writing(url)
        with engine.connect() as connection:
            connection.execute(text("CREATE TABLE t (x)"))
            assert modes(tmp_path) == {
                "a": "700",
                "a/b": "700",
                "a/b/clearance.db": "600",
                "a/b/clearance.db-wal": "600",
                "a/b/clearance.db-shm": "600",
            }
        engine.dispose()


def run(world: World, *words: str, code: int = 0) -> str:
    """Run a command on a university's settings; return all it printed."""
    done = CliRunner().invoke(
        app, ["--config", str(world.file), *words], env={"STATUS_URL": world.url, "COLUMNS": "400"}
    )
    assert done.exit_code == code, (words, done.output, done.exception)
    return done.output


def test_a_key_that_others_may_read_or_change_is_refused(sqlite_world: World) -> None:
    ledger, desk = sqlite_world.settings.status_db.ledger_key_file, sqlite_world.settings.portal.key_file
    run(sqlite_world, "accounts", "add", "li", "--name", "李")
    sqlite_world.run("roster")
    for mode in (0o640, 0o604, 0o620, 0o602):
        ledger.chmod(mode)
        with pytest.raises(KeyRefused, match=f"mode {mode:03o}"):
            read(ledger)
    desk.chmod(mode := 0o640)
    ledger.chmod(mode)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # Were the key not refused, the port would be.
        port = str(taken.getsockname()[1])
        for words, key in (
            (("verify",), ledger),
            (("accounts", "add", "wu", "--name", "吴"), ledger),
            (("serve", "--port", port), desk),
        ):
            said = " ".join(run(sqlite_world, *words, code=1).split())
            assert f"(mode {mode:03o})" in said
            assert said.endswith(f"run: chmod 600 {key}")
            assert key.read_text(encoding="ascii").strip() not in said
    for key in (ledger, desk):
        key.chmod(0o600)
    run(sqlite_world, "verify")


def test_check_names_each_file_and_folder_that_others_may_use_with_the_fix(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    secret, paper = tmp_path / "a word", tmp_path / "paper"
    secret.write_text("clearance", encoding="utf-8")
    secret.chmod(0o600)
    paper.mkdir(mode=0o700)
    settings = SETTINGS + (
        '\n[desk.paper]\nfolder = "paper"\n\n[auth.ldap]\nurl = "ldaps://localhost"\nbase = "dc=x"\n'
        'bind_dn = "cn=x"\nbind_password = "file:a word"\n'
    )
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, settings) as world:
        files = world.settings
        world.run("roster")
        world.file.chmod(0o644)
        run(world, "accounts", "add", "li", "--name", "李")
        assert "other users of this machine" not in run(world, "check")
        database, desk = tmp_path / "clearance.db", Path(desk_url(files.status_db).removeprefix("sqlite:///"))
        wide = [secret, database, Path(f"{database}-wal"), desk, files.status_db.ledger_key_file, files.portal.key_file]
        for file in wide:
            file.chmod(0o644)
        world.file.chmod(0o664)
        paper.chmod(0o750)
        tmp_path.chmod(0o775)
        said = run(world, "check")
        for file in wide:
            assert f"{file} (mode 644). Run: chmod 600 {shlex.quote(str(file))}\n" in said
        assert f"the settings file {world.file} (mode 664). Run: chmod go-w {world.file}\n" in said
        assert f"{paper} (mode 750). Run: chmod 700 {paper}\n" in said
        assert f"{tmp_path} (mode 775). Run: chmod go-w {tmp_path}\n" in said
        assert said.count("other users of this machine can") == len(wide) + 3
