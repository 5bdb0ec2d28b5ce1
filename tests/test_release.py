"""A release: one version everywhere, a wheel that holds the whole program, and a demo that works from it alone."""

import json
import re
import sys
import zipfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from clearance.web import application
from foundation import version
from foundation.version import program_version
from portal.api.routes import PREFIX
from supply import release, sbom
from tests.services.in_process import command
from tests.services.university import ROOT
from tests.world import World

VERSION: str = release.project()["project"]["version"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


class TestTheVersion:
    def test_is_written_in_pyproject_alone(self) -> None:
        rooms = release.project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        files = [file for room in (*rooms, "supply") for file in (ROOT / room).rglob("*.py")]
        assert [file for file in files if f'"{VERSION}"' in file.read_text(encoding="utf-8")] == []

    def test_is_that_of_what_is_installed(self) -> None:
        assert program_version() == VERSION

    def test_is_printed(self) -> None:
        assert command(["--version"], {}).out == f"clearance {VERSION}\n"

    def test_that_no_one_knows_is_reported_with_the_fix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> str:
            raise PackageNotFoundError(name)

        monkeypatch.setattr(version, "version", missing)
        ended = command(["--version"], {})
        assert (ended.code, ended.out) == (1, "")
        assert ended.err.endswith("make install\n")

    def test_is_that_of_the_description_of_the_api(self, sqlite_world: World) -> None:
        app = application(sqlite_world.settings, clock=sqlite_world.clock)
        with TestClient(app) as client:
            assert client.get(f"{PREFIX}/openapi.json").json()["info"]["version"] == VERSION

    def test_is_that_of_the_bill_of_materials(self) -> None:
        assert sbom.made("run")["metadata"]["component"]["version"] == VERSION


class TestTheChangelog:
    text = release.CHANGELOG.read_text(encoding="utf-8")

    def test_begins_with_what_is_not_released(self) -> None:
        assert re.findall(r"^## (.*)$", self.text, re.MULTILINE)[0] == "[Unreleased]"

    def test_has_the_projects_version_as_its_newest_or_as_the_one_to_come(self) -> None:
        versions = [number for number, _ in release.released(self.text)]
        to_come = re.findall(r"^The next release is (\d+\.\d+\.\d+)\.$", self.text, re.MULTILINE)
        assert len(to_come) <= 1
        assert [*to_come, *versions][0] == VERSION

    def test_has_each_version_once_the_newest_first(self) -> None:
        numbers = [tuple(map(int, number.split("."))) for number, _ in release.released(self.text)]
        assert numbers == sorted(set(numbers), reverse=True)

    def test_uses_the_kinds_of_change_of_its_format_alone(self) -> None:
        kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
        found = re.findall(r"^### (.*)$", self.text, re.MULTILINE)
        assert found
        assert set(found) <= kinds

    @pytest.mark.parametrize(
        ("heading", "read"),
        [
            ("## [1.2.0] - 2027-01-31", [("1.2.0", "2027-01-31")]),
            ("## [Unreleased]", []),
            ("## [1.2.0]", []),
            ("### [1.2.0] - 2027-01-31", []),
        ],
    )
    def test_has_a_release_where_number_and_date_stand(self, heading: str, read: list[tuple[str, str]]) -> None:
        assert release.released(f"# Changelog\n\n{heading}\n") == read


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive and the wheel."""
    return release.build(tmp_path_factory.mktemp("dist"))


def test_the_wheel_holds_the_program_and_nothing_else(built: tuple[Path, Path]) -> None:
    assert list(release.faults(built[1])) == []
    with zipfile.ZipFile(built[1]) as wheel:
        names = wheel.namelist()
    for pattern in (
        r"portal/templates/.*\.html", r"portal/static/.*\.css", r"portal/locale/en/.*\.po", r"portal/fonts/.*\.ttf",
        r"status_db/migrations/\w+/versions/.*\.py", r"config/demo\.toml", r".*\.dist-info/licenses/LICENSE",
    ):  # fmt: skip
        assert any(re.fullmatch(pattern, name) for name in names), pattern


def test_a_file_that_the_wheel_lacks_or_has_too_many_is_found(built: tuple[Path, Path], tmp_path: Path) -> None:
    gone = "portal/templates/student.html"
    with zipfile.ZipFile(built[1]) as wheel, zipfile.ZipFile(tmp_path / "other.whl", "w") as other:
        for name in wheel.namelist():
            if name != gone:
                other.writestr(name, wheel.read(name))
        other.writestr("portal/left_over.py", "")
    lacking, left_over = release.faults(tmp_path / "other.whl")
    assert lacking.startswith(f"{gone} is missing")
    assert left_over.startswith("portal/left_over.py is not a file of the program")


@pytest.mark.slow
def test_the_demo_works_from_the_wheel_alone(built: tuple[Path, Path], tmp_path: Path) -> None:
    commands = release.install(built[1], tmp_path / "environment")
    (tmp_path / "empty").mkdir()
    where = release._run(commands / "python", "-c", "import portal; print(portal.__file__)", cwd=tmp_path / "empty")
    assert Path(where.strip()).is_relative_to(tmp_path / "environment")
    release.try_demo(commands, tmp_path / "empty")
    assert [file.name for file in (tmp_path / "empty").iterdir()] == [".demo"]
    status = release._run(
        commands / "clearance", "--config", ".demo/demo.toml", "sources", "--json", cwd=tmp_path / "empty"
    )
    assert len(json.loads(status)) > 5


def test_a_command_that_fails_ends_a_release_with_what_it_printed() -> None:
    with pytest.raises(release.ReleaseError, match=r"(?s)clearance no-such ended with 2:.*No such command"):
        release._run(Path(sys.executable).with_name("clearance"), "no-such")


def test_files_are_listed_as_sha256sum_checks_them(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert list(release.sums([tmp_path / "a.whl"])) == [f"{digest}  a.whl"]


def test_make_release_builds_and_tries_it() -> None:
    assert re.search(r"^release: \$\(STAMP\)\n\t@\$\(BIN\)/python -m supply\.release$", MAKEFILE, re.MULTILINE)
