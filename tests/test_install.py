"""The environment: make demo installs what running needs, the other targets add the rest, in whichever order."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from supply.locks import ROOT, locked

#: The files whose change makes an environment out of date.
LOCKS = ("run.lock", "build.lock", "dev.lock", "cas-server.lock", "install")


class Project:
    """A copy of the Makefile and of the locks, in which an installation only writes down its words."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._now = folder, 1_700_000_000
        (folder / "requirements").mkdir()
        shutil.copy(ROOT / "Makefile", folder)
        (folder / "pyproject.toml").touch()
        for name in LOCKS:
            (folder / "requirements" / name).touch()
        (folder / "requirements" / "install").write_text('echo "installs $@"; mkdir -p "$1"\n', encoding="ascii")
        for file in folder.rglob("*"):
            os.utime(file, (self._now, self._now))

    def make(self, needs: str) -> list[str]:
        """Make what a target needs: `demo` or `test`. Return what was installed."""
        stamp = {"demo": ".venv/.runs", "test": ".venv/.ready"}[needs]
        made = subprocess.run(["make", "--silent", stamp], cwd=self.folder, capture_output=True, text=True, check=True)
        self._date((".venv/.runs", ".venv/.ready"))
        return re.findall(r"^installs \.venv ?(.*)$", made.stdout, re.MULTILINE)

    def change(self, lock: str) -> None:
        """Have a lock be newer than what is installed."""
        self._now += 10
        os.utime(self.folder / "requirements" / lock, (self._now, self._now))

    def _date(self, stamps: tuple[str, ...]) -> None:
        """Give stamps that make has just touched the time of this story."""
        self._now += 10
        for stamp in stamps:
            file = self.folder / stamp
            if file.exists() and file.stat().st_mtime > self._now:
                os.utime(file, (self._now, self._now))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_targets_need_what_they_are_said_to() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^demo: \$\(RUNS\)$", makefile, re.MULTILINE)
    assert re.search(r"^test: \$\(STAMP\)$", makefile, re.MULTILINE)


def test_the_demo_installs_what_running_needs_alone_and_once(project: Project) -> None:
    assert project.make("demo") == ["run"]
    assert project.make("demo") == []


def test_the_tests_add_the_rest_and_the_demo_uses_it(project: Project) -> None:
    assert project.make("demo") == ["run"]
    assert project.make("test") == [""]
    assert project.make("demo") == []


def test_the_whole_environment_is_enough_for_the_demo(project: Project) -> None:
    assert project.make("test") == [""]
    assert project.make("demo") == []


def test_a_lock_that_changes_is_installed_by_each_that_needs_it(project: Project) -> None:
    project.make("test")
    # `make lock` writes both.
    project.change("run.lock")
    project.change("dev.lock")
    assert project.make("demo") == ["run"]
    assert project.make("test") == [""]
    project.change("dev.lock")
    assert project.make("demo") == []
    assert project.make("test") == [""]
    project.change("build.lock")
    assert project.make("demo") == ["run"]


@pytest.mark.parametrize("lock", ["run", "build"])
def test_both_have_the_same_versions_so_that_one_can_be_installed_over_the_other(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    wanted = set(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))
    assert wanted
    assert wanted <= set(locked("dev"))


@pytest.mark.parametrize(
    ("language", "why"), [("en", "could not be installed: the lines above say why"), ("zh", "软件包没有装上")]
)
@pytest.mark.slow
def test_without_a_package_index_it_ends_with_the_reason_and_the_fix(language: str, why: str, tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    made = subprocess.run(
        ["sh", "requirements/install", str(tmp_path / "venv"), "run"],
        cwd=ROOT,
        env=environ | {"CLEARANCE_LANG": language, "PIP_NO_CACHE_DIR": "1"},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 1
    assert why in made.stderr
    assert "No matching distribution found" in made.stderr
