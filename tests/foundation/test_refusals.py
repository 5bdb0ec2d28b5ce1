"""What a person reads when something is refused has one root; every other exception is listed with its reason."""

import importlib
import pkgutil
from collections.abc import Iterator
from enum import StrEnum
from typing import get_args

import pytest
import typer

from clearance.context import ERROR, UNAVAILABLE, code_of, ends_well
from connectors.port import SourceGarbled, SourceRefused, SourceUnavailable
from foundation.refusals import Refused
from portal.server import CannotListen, ListenCode
from status_db.marks.runs import BaseMoved
from status_db.store.engine import StoreError
from tests.services.university import ROOT
from tests.test_rooms import ROOMS

#: Exceptions that no person reads, and where their matter goes.
NO_PERSON_READS = {
    "connectors.by_student.sip2_wire.BrokenLine": "read again, then SourceUnavailable with its text",
    "connectors.files.workbooks.repair.NoWorkbookError": "SourceGarbled with its own text",
    "connectors.http.answers.CharsetError": "SourceGarbled with its text",
    "connectors.http.answers.NotJsonError": "SourceGarbled or SourceUnavailable with its text",
    "connectors.http.pages.reading.PagesMoved": "read again from the first page",
    "connectors.http.pages.reading.UnknownStudent": "the student owes nothing there",
    "foundation.http_client.AnswerTooLargeError": "SourceGarbled or SignInRefused with its own text",
    "foundation.http_client.AnswerTooSlowError": "SourceUnavailable or SignInRefused with its own text",
    "portal.access.multipart.FormBroken": "HTTP 400",
    "portal.auth.providers.cas.Denied": "SignInRefused with its text",
    "portal.auth.providers.cas.Untrusted": "SignInRefused with its text, or HTTP 400",
    "portal.desk.graduation.numbers.Uncountable": "a mistake of the form, with its own sentence",
    "portal.documents.clearance_slip.NotASlip": "one sentence, whatever was wrong",
    "portal.web.apart.HelperLost": "a fault: HTTP 500, and the log",
    "portal.web.faults.AnswerCutOff": "the server closes the connection",
    "status_db.marks.runs.BaseMoved": "planned again",
    "status_db.marks.runs.AnswerOvertaken": "the later answer stays",
    "status_db.marks.runs.SlotTaken": "the scheduler goes on",
    "status_db.tables.types.TextError": "ValueRefused with its text",
    "sync.plan.revert.RevertMoved": "the run ends with its own text",
    "sync.rule.cells.Unreadable": "a finding about the row",
}


def exceptions() -> Iterator[type[BaseException]]:
    """Give every exception class of the program."""
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if ".migrations." in module.name or module.name.endswith("__main__"):
                continue
            for found in vars(importlib.import_module(module.name)).values():
                if isinstance(found, type) and issubclass(found, BaseException) and found.__module__ == module.name:
                    yield found


ALL = tuple(exceptions())


def own(found: type) -> bool:
    return found.__module__.split(".")[0] in ROOMS


def test_every_exception_has_the_one_root_or_is_read_by_no_one() -> None:
    roots = {
        f"{one.__module__}.{one.__qualname__}"
        for one in ALL
        if not issubclass(one, Refused)
        # Starlette's own are answers with a status.
        and not any(base.__name__ == "HTTPException" for base in one.__mro__)
        and not one.__name__.startswith("_")
        and not any(own(base) for base in one.__bases__)
    }
    assert roots == NO_PERSON_READS.keys()


@pytest.mark.parametrize("family", [one for one in ALL if Refused in one.__bases__], ids=lambda one: one.__name__)
def test_each_family_has_its_own_codes_and_gives_each_of_them(family: type) -> None:
    (codes,) = get_args(family.__orig_bases__[0])  # type: ignore[attr-defined]  # it is generic
    assert issubclass(codes, StrEnum)
    source = "".join(file.read_text(encoding="utf-8") for room in ROOMS for file in (ROOT / room).rglob("*.py"))
    assert [code.name for code in codes if f"{codes.__name__}.{code.name}" not in source] == []


@pytest.mark.parametrize(
    ("refused", "code"),
    [
        (SourceUnavailable("loans does not answer", "Try again."), UNAVAILABLE),
        (SourceRefused("loans refuses the password", "Correct it."), UNAVAILABLE),
        (SourceGarbled("loans answers with a web page", "Correct url."), ERROR),
        (StoreError("The disk is full. Make room."), ERROR),
        # Spelled like a source's.
        (CannotListen(ListenCode.REFUSED, "The port is taken. Choose another."), ERROR),
    ],
)
def test_only_a_source_has_an_exit_code_of_its_own(refused: Refused[StrEnum], code: int) -> None:
    assert code_of(refused) == code


def test_a_command_ends_with_the_text_of_a_refusal_and_lets_everything_else_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @ends_well
    def command(error: Exception) -> None:
        raise error

    with pytest.raises(typer.Exit) as ended:
        command(StoreError("The disk is full. Make room."))
    assert ended.value.exit_code == ERROR
    assert "The disk is full. Make room." in capsys.readouterr().err
    for unexpected in (BaseMoved(), ValueError("no number")):
        with pytest.raises(type(unexpected)):
            command(unexpected)
