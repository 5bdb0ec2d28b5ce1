"""A due date that no one can read is kept as that, beside rows that were written before."""

from datetime import date

from status_db.model import Obligation
from status_db.tables import obligations_from_text, obligations_to_text


def test_an_unreadable_due_date_is_stored_and_comes_back() -> None:
    listed = (
        Obligation("loan", "a", None, date(2019, 5, 30), "B1"),
        Obligation("loan", "b", None, None, "B2"),
        Obligation("loan", "c", None, None, "B3", due_unreadable=True),
    )
    assert obligations_from_text(obligations_to_text(listed)) == listed


def test_what_was_stored_before_reads_and_is_written_as_ever() -> None:
    old = '[["loan","a",null,"2019-05-30","B1"],["loan","b","1.50",null,""]]'
    read = obligations_from_text(old)
    assert [o.due_unreadable for o in read] == [False, False]
    assert obligations_to_text(read) == old
