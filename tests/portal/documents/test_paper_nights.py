"""The sheets of a night: whole or not there, kept for so many nights, and nothing of anybody else's touched."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from portal.documents import paper_nights, paper_pdf
from portal.documents.paper_nights import PrintSelection, print_into, prune
from portal.documents.paper_sets import PaperWriter
from portal.i18n import languages
from status_db.model import ROSTER
from status_db.queries.lists import Lists
from tests.cast import LIN, MORNING, QIAN, Person
from tests.portal.conftest import settle
from tests.portal.pdf_text import text_of
from tests.world import COHORT, World

NIGHT = "2019-05-25"


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university, with a class whose name no system takes for a file's."""
    odd = Person("20159001", "甲", "本科", "资源学院", "资勘/0211:1?", "未来城", "西区3栋")
    also = Person("20159002", "乙", "本科", "资源学院", "资勘_0211_1_", "未来城", "西区3栋")
    none = Person("20159003", "丙", "本科", "资源学院", "", "未来城", "西区3栋")
    sqlite_world.says[ROSTER] += [one.listed() for one in (odd, also, none)]
    return settle(sqlite_world)


def papers(world: World) -> PaperWriter:
    language = languages.load(["zh"], world.settings.institution.timezone)["zh"]
    return PaperWriter(Lists(world.reading, world.settings), world.settings, language, COHORT, world.now)


def printed(world: World, folder: Path, name: str = NIGHT, narrowed: PrintSelection | None = None) -> dict[str, Path]:
    made = print_into(folder, name, papers(world), world.settings, COHORT, narrowed)
    return {file.relative_to(folder / name).as_posix(): file for file in made}


def everything_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def laid(folder: Path, *days: str) -> None:
    """Lay down nights as they are written, each with one sheet."""
    for day in days:
        (folder / day / "按环节").mkdir(parents=True)
        (folder / day / "按环节" / "图书馆.pdf").write_bytes(b"%PDF-")
        (folder / day / paper_nights._OURS).write_text('["按环节/图书馆.pdf"]', encoding="utf-8")


class TestPrinting:
    def test_there_is_one_for_each_step_and_each_class_under_a_name_to_read(
        self, university: World, tmp_path: Path
    ) -> None:
        found = printed(university, tmp_path / "sheets")
        assert set(found) == {
            "按环节/图书馆.pdf", "按环节/校计财处.pdf", "按环节/宿管中心.pdf", "按环节/资料室图书.pdf",
            "按环节/学院终审.pdf", "按班级/地球科学学院-011151.pdf", "按班级/资源学院-021152.pdf",
            "按班级/资源学院-S0216.pdf", "按班级/资源学院-资勘_0211_1_.pdf", "按班级/资源学院-资勘_0211_1_ (2).pdf",
            "按班级/资源学院.pdf", "空白单.pdf",
        }  # fmt: skip
        text = text_of(found["按班级/地球科学学院-011151.pdf"].read_bytes())
        assert LIN.number in text
        assert QIAN.number not in text
        assert "各环节 · 地球科学学院 011151" in text
        assert QIAN.number in text_of(found["按环节/图书馆.pdf"].read_bytes())

    @pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
    def test_nobody_but_this_user_may_read_it(self, university: World, tmp_path: Path) -> None:
        for file in printed(university, tmp_path / "sheets").values():
            assert file.stat().st_mode & 0o077 == 0
            assert file.parent.stat().st_mode & 0o077 == 0

    def test_a_night_that_is_there_is_left_as_it_is(self, university: World, tmp_path: Path) -> None:
        first = printed(university, tmp_path)["空白单.pdf"].read_bytes()
        university.later(hours=1)
        assert printed(university, tmp_path) == {}
        assert (tmp_path / NIGHT / "空白单.pdf").read_bytes() == first

    def test_what_breaks_off_leaves_nothing(
        self, university: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(paper_nights, "flush", _no_room)
        with pytest.raises(OSError, match="No space"):
            printed(university, tmp_path / "sheets")
        assert everything_in(tmp_path / "sheets") == set()

    def test_until_it_is_whole_it_has_no_name(
        self, university: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[bool] = []
        write = paper_pdf.write

        def looked(made: paper_pdf.PrintSet) -> bytes:
            seen.append((tmp_path / NIGHT).exists())
            return write(made)

        monkeypatch.setattr(paper_pdf, "write", looked)
        printed(university, tmp_path)
        assert len(seen) == 12
        assert not any(seen)

    def test_who_comes_second_has_printed_nothing(
        self, university: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = paper_pdf.write
        others = {"there": False}

        def overtaken(made: paper_pdf.PrintSet) -> bytes:
            if not others["there"]:
                others["there"] = True
                laid(tmp_path, NIGHT)
            return write(made)

        monkeypatch.setattr(paper_pdf, "write", overtaken)
        assert printed(university, tmp_path) == {}
        assert everything_in(tmp_path) >= {NIGHT}
        assert (tmp_path / NIGHT / "按环节" / "图书馆.pdf").read_bytes() == b"%PDF-"
        assert not list(tmp_path.glob(".unfinished*"))

    def test_it_is_narrowed_to_steps_and_classes(self, university: World, tmp_path: Path) -> None:
        def names(narrowed: PrintSelection) -> set[str]:
            return set(printed(university, tmp_path, f"2019-05-25-{len(list(tmp_path.iterdir())):06}", narrowed))

        assert names(PrintSelection(steps=["dorm"])) == {"按环节/宿管中心.pdf", "空白单.pdf"}
        assert names(PrintSelection(classes=["021152"])) == {"按班级/资源学院-021152.pdf", "空白单.pdf"}
        assert names(PrintSelection(["dorm"], ["021152"])) == {"按环节/宿管中心-资源学院-021152.pdf", "空白单.pdf"}


def _no_room(_path: Path) -> None:
    raise OSError(28, "No space left on device")


class TestKeeping:
    def test_so_many_days_stay_with_what_was_printed_by_hand_on_them(self, tmp_path: Path) -> None:
        laid(tmp_path, "2019-05-22", "2019-05-23", "2019-05-23-101500", "2019-05-24", "2019-05-25-080000")
        gone = prune(tmp_path, 2, MORNING)
        assert [one.name for one in gone] == ["2019-05-22", "2019-05-23", "2019-05-23-101500"]
        assert {one.name for one in tmp_path.iterdir()} == {"2019-05-24", "2019-05-25-080000"}

    def test_what_somebody_else_has_laid_there_stays(self, tmp_path: Path) -> None:
        laid(tmp_path, "2019-05-22", "2019-05-24")
        (tmp_path / "2019-05-22" / "签过字的.pdf").write_bytes(b"theirs")
        (tmp_path / "2019-05-21").mkdir()
        (tmp_path / "2019-05-21" / "clearance-paper.json").write_text("no list", encoding="utf-8")
        (tmp_path / "notes").mkdir()
        (tmp_path / "2019-05-20").write_text("a file", encoding="utf-8")
        prune(tmp_path, 1, MORNING)
        assert everything_in(tmp_path) == {
            "2019-05-20", "2019-05-21", "2019-05-21/clearance-paper.json", "2019-05-22", "2019-05-22/签过字的.pdf",
            "2019-05-24", "2019-05-24/clearance-paper.json", "2019-05-24/按环节", "2019-05-24/按环节/图书馆.pdf",
            "notes",
        }  # fmt: skip

    def test_a_list_that_leads_outside_removes_nothing_there(self, tmp_path: Path) -> None:
        laid(tmp_path, "2019-05-22", "2019-05-24")
        outside = tmp_path / "keep.pdf"
        outside.write_bytes(b"theirs")
        (tmp_path / "2019-05-22" / "link").symlink_to(tmp_path)
        listed = ["../keep.pdf", str(outside), "link/keep.pdf", "按环节/../../keep.pdf"]
        (tmp_path / "2019-05-22" / paper_nights._OURS).write_text(json.dumps(listed), encoding="utf-8")
        prune(tmp_path, 1, MORNING)
        assert outside.exists()

    def test_what_a_killed_printing_has_left_goes_when_it_is_old(self, tmp_path: Path) -> None:
        for name, age in (("old", timedelta(days=2)), ("young", timedelta(hours=1))):
            left = tmp_path / f".unfinished-{name}"
            left.mkdir()
            at: datetime = MORNING - age
            os.utime(left, (at.timestamp(), at.timestamp()))
        prune(tmp_path, 1, MORNING)
        assert everything_in(tmp_path) == {".unfinished-young"}
