"""The command that prints sheets, and what the schedule asks for each night: both with every source down."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from clearance.jobs.sheets import nightly
from clearance.main import app
from clearance.services import Program
from config.tables.desk import Paper
from connectors.port import SourceUnavailable
from tests.cast import LIN, QIAN
from tests.portal.conftest import settle
from tests.portal.pdf_text import text_of
from tests.world import COHORT, World

Asked = Callable[..., Any]


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university six hours after its sources answered last; none of them does any more."""
    settle(sqlite_world)
    for name in sqlite_world.sync.names():
        sqlite_world.fails[name] = SourceUnavailable("nobody is there", "Wait.")
    sqlite_world.later(hours=6)
    return sqlite_world


@pytest.fixture
def asked(university: World, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Run the command at this world's time."""
    monkeypatch.setenv("STATUS_URL", university.url)
    monkeypatch.setattr("clearance.context.clock_of", lambda _settings: university.clock)
    return lambda *words: CliRunner().invoke(app, ["--config", str(university.file), "paper", *words])


def program_of(world: World, folder: Path, keep: int = 7) -> Program:
    desk = world.settings.desk.model_copy(update={"paper": Paper(keep=keep).model_copy(update={"folder": folder})})
    return Program(world.settings.model_copy(update={"desk": desk}), COHORT, world.clock)


class TestByHand:
    def test_it_prints_what_is_stored_although_every_source_is_down(self, asked: Asked, tmp_path: Path) -> None:
        said = asked(str(tmp_path / "sheets"))
        assert said.exit_code == 0, said.output
        (night,) = (tmp_path / "sheets").iterdir()
        assert night.name == "2019-05-25-140500"
        assert f"{night}: 9 files" in said.output
        text = text_of((night / "按环节" / "图书馆.pdf").read_bytes())
        assert "图书馆：数据过期（截至 5月25日 08:02）" in text
        assert "打印于 2019年5月25日 14:05" in text
        assert {LIN.number, QIAN.number} <= set(text.splitlines())

    def test_it_prints_one_class_or_one_step(self, asked: Asked, tmp_path: Path) -> None:
        assert asked(str(tmp_path / "a"), "--class", "021152").exit_code == 0
        assert asked(str(tmp_path / "b"), "--step", "dorm", "--step", "library").exit_code == 0
        names = {path.name for path in tmp_path.glob("[ab]/*/*/*.pdf")}
        assert names == {"资源学院-021152.pdf", "宿管中心.pdf", "图书馆.pdf"}

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ((), "Give one: clearance paper FOLDER, or set folder in [desk.paper]"),
            (("FOLDER", "--step", "no"), 'there is no step "no": write one of library, finance'),
            (("FOLDER", "--class", "no"), 'there is no class "no" in 2019'),
            (("FILE",), "can write there; then run this again"),
        ],
    )
    def test_what_makes_no_sense_is_reported_with_the_fix(
        self, asked: Asked, tmp_path: Path, words: tuple[str, ...], told: str
    ) -> None:
        (tmp_path / "file").write_text("a file", encoding="utf-8")
        places = {"FOLDER": str(tmp_path / "sheets"), "FILE": str(tmp_path / "file")}
        said = asked(*(places.get(word, word) for word in words))
        assert said.exit_code == 1
        assert told in said.output
        assert not (tmp_path / "sheets").exists()


class TestEachNight:
    def test_it_prints_the_night_once_and_lets_the_oldest_go(self, university: World, tmp_path: Path) -> None:
        program = program_of(university, tmp_path / "sheets", keep=2)
        printing = nightly(program)
        slot = datetime(2019, 5, 24, 18, 30, tzinfo=university.now.tzinfo)
        assert printing(slot) == 9
        assert printing(slot) == 0
        for _ in range(2):
            slot += timedelta(days=1)
            assert printing(slot) == 9
        assert sorted(one.name for one in (tmp_path / "sheets").iterdir()) == ["2019-05-26", "2019-05-27"]
        program.close()

    def test_each_of_several_cohorts_has_a_folder_of_its_own(self, university: World, tmp_path: Path) -> None:
        program = program_of(university, tmp_path / "sheets")
        other = university.settings.cohort[0].model_copy(update={"key": "2020"})
        settings = program.settings.model_copy(update={"cohort": [*university.settings.cohort, other]})
        program = Program(settings, COHORT, university.clock)
        assert nightly(program)(university.now) == 9
        assert (tmp_path / "sheets" / COHORT / "2019-05-25" / "空白单.pdf").is_file()
        program.close()

    def test_without_a_folder_nothing_is_printed(self, university: World) -> None:
        program = Program(university.settings, COHORT, university.clock)
        assert nightly(program)(university.now) == 0
        program.close()
