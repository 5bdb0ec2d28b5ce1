"""The bundle: installed and upgraded without a network, refused when damaged, taken back when an upgrade fails."""

import hashlib
import os
import platform
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from supply import bundle, release
from supply.locks import locked
from tests.services.university import ROOT, free_port

VERSION: str = release.project()["project"]["version"]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

#: A bundle whose tables cannot be upgraded: the marks get a column, then the desk's tables fail.
FAILS = {
    "marks/versions/9998_column.py": "op.add_column('student', sa.Column('shoe_size', sa.Integer(), nullable=True))",
    "desk/versions/9999_fails.py": "op.execute('SELECT no_such_column FROM account')",
}

#: One that is cut off there, as by a power cut: the shell that runs upgrade.sh is killed, and the command ends.
CUT_OFF = FAILS | {"desk/versions/9999_fails.py": "os.kill(os.getppid(), 9); os._exit(1)"}

pytestmark = pytest.mark.slow


def migration(name: str, step: str) -> str:
    """Return a migration on top of the newest one of its folder."""
    kind, _, file = name.split("/")
    newest = max(each.name[:4] for each in (ROOT / "status_db" / "migrations" / kind / "versions").glob("0*.py"))
    return (
        "import os\nimport sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "{file[:4]}"\ndown_revision = "{newest}"\n\n\ndef upgrade() -> None:\n    {step}\n'
    )


def wheel_of(folder: Path, version: str, migrations: dict[str, str]) -> Path:
    """Build the wheel of this project as if it had another version, and more migrations."""
    listed = release.run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    rooms = tuple(release.project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    for name in listed:
        if name.startswith(rooms) or name in ("pyproject.toml", "README.md", "LICENSE"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    own = (folder / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(own.replace(f'"{VERSION}"', f'"{version}"'), encoding="utf-8")
    for name, step in migrations.items():
        (folder / "status_db" / "migrations" / name).write_text(migration(name, step), encoding="utf-8")
    uv = Path(sys.executable).with_name("uv")
    release.run(
        uv, "build", "--quiet", "--offline", "--no-build-isolation", "--python", sys.executable, "--wheel",
        "--out-dir", folder / "dist", cwd=folder,
    )  # fmt: skip
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of the lock, as a package index has them."""
    folder = tmp_path_factory.mktemp("download") / "wheels"
    try:
        bundle.download(folder, platform.machine(), [PYTHON])
    except release.ReleaseError as error:
        reason = f"the wheels of bundle.lock cannot be downloaded: {str(error).splitlines()[-1]}"
        if os.environ.get("CLEARANCE_TEST_REQUIRE_BUNDLE"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


Unpack = Callable[..., Path]


@pytest.fixture(scope="module")
def unpack(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpack:
    """Build the bundle of a version, and unpack it; return its folder."""

    def unpacked(version: str, migrations: dict[str, str] | None = None) -> Path:
        folder = tmp_path_factory.mktemp("bundle")
        (folder / "source").mkdir()
        wheel = wheel_of(folder / "source", version, migrations or {})
        if version == VERSION:
            archive = bundle.build(folder, wheel, wheels, platform.machine(), [PYTHON], version)
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
            archive.unlink()
            return folder / archive.name.removesuffix(".tar.gz")
        # The same, without the time that packing takes.
        shutil.copytree(wheels, folder / "unpacked" / "wheels", copy_function=os.link)
        bundle.assemble(folder / "unpacked", wheel, platform.machine(), [PYTHON], version)
        return folder / "unpacked"

    return unpacked


def without_network() -> list[str]:
    """Return the words that take the network from a command, where the system allows it."""
    for words in (["unshare", "-n"], ["unshare", "-rn"]):
        if shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return words
    return []


def script(folder: Path, name: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script of a bundle without a network."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "LANG": "C.UTF-8", "PYTHON": sys.executable}
    return subprocess.run(
        [*without_network(), "sh", folder / name, *words], env=environ, capture_output=True, text=True
    )


class Place:
    """A program that was installed from a bundle, with the demo university as its data."""

    def __init__(self, folder: Path, first: Path) -> None:
        self.prefix, self.data, self.backups = folder / "program", folder / "data", folder / "backups"
        self.installed = script(first, "install.sh", "--program-only", self.prefix)
        assert self.installed.returncode == 0, self.installed.stderr
        self.clearance("demo", "--once", "--folder", self.data, "--finance-port", str(free_port()))

    def clearance(self, *words: str | Path) -> str:
        """Run the program that is installed."""
        return release.run(self.prefix / ".venv" / "bin" / "clearance", *words, cwd=self.prefix)

    def upgrade(self, to: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the upgrade of a bundle."""
        options = ("--program-only", self.prefix, "--config", self.data / "demo.toml", "--backups", self.backups)
        return script(to, "upgrade.sh", *options, *words)

    def state(self) -> tuple[str, list[str], str]:
        """Return the version that runs, the versions that are installed, and all that the databases have."""
        kept: list[str] = []
        for file in sorted(self.data.glob("clearance*.db")):
            with closing(sqlite3.connect(file)) as connection:
                kept.extend(connection.iterdump())
        return (
            self.clearance("--version").split()[1],
            sorted(each.name for each in self.prefix.iterdir()),
            hashlib.sha256("\n".join(kept).encode()).hexdigest(),
        )


@pytest.fixture(scope="module")
def first(unpack: Unpack) -> Path:
    """The bundle of this version, unpacked."""
    return unpack(VERSION)


def test_the_bundle_has_every_locked_package_and_states_what_it_needs(first: Path) -> None:
    names = {each.name.partition("-")[0].replace("_", "-").lower() for each in (first / "wheels").iterdir()}
    # A package for another system has no wheel for this one.
    assert {name for name, _ in locked("bundle")} - names <= {"colorama", "tzlocal", "win32-setctime"}
    assert "clearance-sync" in names
    stated = dict(line.split("=") for line in (first / "bundle.env").read_text(encoding="ascii").splitlines())
    assert (stated["VERSION"], stated["ARCH"], stated["PYTHONS"]) == (VERSION, platform.machine(), f"'{PYTHON}'")
    assert f"glibc {stated['GLIBC']} or later" in (first / "README.txt").read_text(encoding="utf-8")
    for name in ("deploy/nginx/clearance.conf", "docs/zh/deploy.md", "clearance-sync-bundle.cdx.json", "LICENSE"):
        assert (first / name).is_file(), name


def test_a_bundle_that_is_not_as_packed_is_refused_before_anything_is_written(first: Path, tmp_path: Path) -> None:
    for damage in ("changed", "added", "missing"):
        copy = tmp_path / damage
        shutil.copytree(first, copy, copy_function=os.link)
        wheel = next((copy / "wheels").glob("sqlalchemy-*.whl"))
        data = bytearray(wheel.read_bytes())
        if damage == "added":
            (copy / "wheels" / "evil-1.0-py3-none-any.whl").write_bytes(data)
        else:
            wheel.unlink()
        if damage == "changed":
            data[len(data) // 2] ^= 1
            wheel.write_bytes(data)
        ended = script(copy, "install.sh", "--program-only", tmp_path / "program")
        assert ended.returncode == 1, damage
        assert "Nothing was written" in ended.stderr, damage
        assert not (tmp_path / "program").exists(), damage


def test_a_machine_that_cannot_run_it_is_refused(first: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(first, copy, copy_function=os.link)
    stated = (copy / "bundle.env").read_text(encoding="ascii")
    sums = (copy / "SHA256SUMS").read_text(encoding="utf-8")
    for old, new, why in (
        (platform.machine(), "sparc", "is for sparc"),
        ("GLIBC=2", "GLIBC=9", "needs glibc 9"),
        (PYTHON, "3.99", "versions of Python, with its venv module: 3.99"),
    ):
        changed = stated.replace(old, new).encode()
        (copy / "bundle.env").unlink()
        (copy / "bundle.env").write_bytes(changed)
        digest = hashlib.sha256(stated.encode()).hexdigest(), hashlib.sha256(changed).hexdigest()
        (copy / "SHA256SUMS").unlink()
        (copy / "SHA256SUMS").write_text(sums.replace(*digest), encoding="utf-8")
        ended = script(copy, "install.sh", "--program-only", tmp_path / "program")
        assert ended.returncode == 1
        assert why in ended.stderr
        assert not (tmp_path / "program").exists()


def test_it_is_installed_and_upgraded_without_a_network_and_goes_back(
    first: Path, unpack: Unpack, tmp_path: Path
) -> None:
    """One test, because each installation takes a while."""
    place = Place(tmp_path, first)
    before = place.state()
    assert before[:2] == (VERSION, [".venv", VERSION])

    # What is there is not overwritten, and its own version is no upgrade.
    assert "Use upgrade.sh" in script(first, "install.sh", "--program-only", place.prefix).stderr
    assert "Nothing was written" in place.upgrade(first).stderr

    failed = place.upgrade(unpack("90.0.0", FAILS))
    assert failed.returncode == 1
    assert "no_such_column" in failed.stderr + failed.stdout
    assert f"Nothing has changed: {VERSION} runs, with its data." in failed.stderr
    assert place.state() == before

    newer = unpack("91.0.0", CUT_OFF)
    assert place.upgrade(newer).returncode == -signal.SIGKILL
    assert "upgrade.sh --roll-back" in place.upgrade(newer).stderr
    assert place.upgrade(newer, "--roll-back").returncode == 0
    assert place.state() == before

    newer = unpack("92.0.0", {"marks/versions/9998_column.py": FAILS["marks/versions/9998_column.py"]})
    done = place.upgrade(newer)
    assert done.returncode == 0, done.stderr
    version, names, data = place.state()
    assert (version, names) == ("92.0.0", [".venv", VERSION, "92.0.0"])
    assert data != before[2]
    # Going back loses what was decided since, so it takes a word more.
    assert "add --yes" in place.upgrade(newer, "--roll-back").stderr
    assert place.upgrade(newer, "--roll-back", "--yes").returncode == 0
    assert place.state() == before
