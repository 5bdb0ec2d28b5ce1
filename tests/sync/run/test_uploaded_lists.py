"""A list that an operator brings is taken as its source's own: with proofs and guard, or the one before stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from status_db.inbox.requests import Request, RequestOutcome, RequestRefused, Requests
from status_db.inbox.uploads import UploadKind, Uploads
from status_db.model import RunState, Verdict
from tests.cast import LI, LIN, QIAN, SUN, ZHAO
from tests.world import COHORT, SETTINGS, World, serving_of

HEAD = "学号,清退状态,房间\n"


def settings(*, uploaded: bool = True) -> str:
    """Have the dormitory office's list be a file."""
    head, tail = SETTINGS.split('step = "dorm"\nconnector = "memory"\n')
    own = f'connector = "sheet"\npath = "checkouts.csv"\nuploaded = {str(uploaded).lower()}\n'
    return f'{head}step = "dorm"\n{own}{tail}'


@pytest.fixture
def dormitory(status_url: str, tmp_path: Path) -> Iterator[World]:
    """An office without a system: its first list reports that one of five has checked out."""
    yet = "".join(f"{person.number},未清退,412\n" for person in (LIN, ZHAO, QIAN, LI))
    (tmp_path / "checkouts.csv").write_text(f"{HEAD}{SUN.number},已清退,305\n{yet}", encoding="utf-8")
    with World(status_url, tmp_path, settings()) as made:
        made.run_all()
        yield made


def bring(world: World, content: str, source: str = "checkouts") -> Request:
    """Bring a list, confirm it and have it served; return how that ended."""
    requests, uploads = Requests(world.desk), Uploads(world.desk)
    upload = uploads.keep(
        COHORT,
        UploadKind.LIST,
        "dorm",
        account="warden",
        file="checkouts.csv",
        content=content.encode(),
        rows=[],
        now=world.now,
        source=source,
    )
    requests.ask_list(COHORT, upload, account="warden", now=world.now)
    with pytest.raises(RequestRefused, match="already confirmed"):
        requests.ask_list(COHORT, upload, account="warden", now=world.now)
    assert serving_of(world).serve() == 1
    asked = requests.about_upload(COHORT, upload)
    assert asked is not None
    return asked


def test_a_list_that_was_brought_is_the_sources_next_snapshot(dormitory: World) -> None:
    ended = bring(dormitory, f"{HEAD}{SUN.number},已清退,305\n{LIN.number},已清退,412\n")
    assert ended.outcome is RequestOutcome.DONE
    assert dormitory.verdict(LIN.number, "dorm") is Verdict.CLEARED
    last = dormitory.reader.runs(COHORT, "checkouts", limit=1)[0]
    assert (last.state, last.by) == (RunState.APPLIED, "warden")


def test_a_list_that_cannot_be_read_leaves_the_one_before_in_its_place(dormitory: World) -> None:
    before, marks = dormitory.file.with_name("checkouts.csv").read_bytes(), dormitory.verdicts()
    ended = bring(dormitory, "学号,备注\n20151001,已清退\n")
    assert ended.outcome is RequestOutcome.FAILED
    assert "清退状态" in ended.message
    assert dormitory.file.with_name("checkouts.csv").read_bytes() == before
    assert dormitory.verdicts() == marks
    assert dormitory.run("checkouts").state is RunState.UNCHANGED


def test_a_list_goes_through_the_guard(dormitory: World) -> None:
    marks = dormitory.verdicts()
    ended = bring(dormitory, HEAD)
    assert ended.outcome is RequestOutcome.REFUSED
    assert "no rows at all" in ended.message
    assert dormitory.verdicts() == marks


def test_no_one_brings_the_list_of_a_source_that_reads_it_elsewhere(dormitory: World, tmp_path: Path) -> None:
    ended = bring(dormitory, HEAD, source="loans")
    assert ended.outcome is RequestOutcome.REFUSED
    assert "does not read an uploaded list" in ended.message
