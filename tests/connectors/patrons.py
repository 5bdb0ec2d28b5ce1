"""What the suites of library systems share that are asked about each patron: a roster, and the contract's office."""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from connectors.by_student.each_patron import EachPatron
from connectors.port import Candidates, Connector, Question, Snapshot
from tests.connectors.test_rest import nowhere
from tests.contract import COLUMNS, MANY, ROWS, Office, PagedContract, Ticking

#: Four students; one has a card besides, and no library knows the last.
ROSTER = Candidates(
    {
        "20151001": ("20151001",),
        "20152003": ("20152003", "CARD-3"),
        "20152004": ("20152004",),
        "20159999": ("20159999",),
    },
    revision=7,
)

#: The numbers and the roster of the contract.
EVERY_NUMBER = tuple(dict.fromkeys(str(row["NUMBER"]) for row in (*ROWS, *MANY)))
CONTRACT = Candidates({number: (number,) for number in EVERY_NUMBER}, 7)


def patrons(module: ModuleType, roster: Candidates, columns: Mapping[str, str], **own: Any) -> EachPatron:
    """Return a connector of this module that asks about each student of a roster; `columns` change its own."""
    given = {"retries": 0, "per_student": {"rounds": 1, "per_second": 1000}, **own}
    settings = module.Settings.model_validate(given)
    columns = {**module.Settings.default_columns(given), **columns}
    made = module.connect(settings, Question("library", columns, Ticking(), lambda: roster))
    assert isinstance(made, EachPatron)
    return made


def known(snapshot: Snapshot) -> list[str]:
    """Return the numbers that a snapshot knows something about."""
    return sorted(map(str, snapshot.population or ()))


class PatronOffice:
    """A library in the hands of the contract; its loans have the contract's columns."""

    def __init__(self, ask: Callable[..., Connector]) -> None:
        self._ask = ask

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
        """Return a connector that asks about the contract's roster."""
        return self._ask(roster=CONTRACT, columns={**columns, "due": columns.get("due", "DUE")})

    def out_of_reach(self) -> Connector:
        """Return a connector whose library is nowhere."""
        return self._ask(url=nowhere())


class PatronContract(PagedContract):
    """What such a connector promises: it leaves out what is empty, and has rows about no one else than was asked."""

    asked_by_number = True

    def test_progress_ends_with_every_row(self, office: Office) -> None:
        """It counts numbers: how many rows there will be, no one knows."""
        office.fill(ROWS)
        seen: list[tuple[int, int | None]] = []
        office.connector().pull(lambda *figures: seen.append(figures))
        assert seen[-1] == (len(EVERY_NUMBER), len(EVERY_NUMBER))

    def test_a_missing_column_is_named_with_the_source_and_the_fix(self, office: Office) -> None:
        """A column may be missing in every record: a check reports it."""
        office.fill(ROWS)
        sample = office.connector({**COLUMNS, "due": "DUE_DAY"}).check()
        assert [warning for warning in sample.warnings if "DUE_DAY" in warning and warning.endswith(".")]

    def test_a_row_about_no_one_never_comes_and_does_no_harm(self, office: Office) -> None:
        office.fill([*MANY, {**MANY[0], "NUMBER": None, "BARCODE": "D2"}])
        snapshot = office.connector().pull()
        assert len(snapshot.rows) == len(MANY)
        assert all(row[0] for row in snapshot.rows)
