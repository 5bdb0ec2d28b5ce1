"""A due date that nobody can read is said to be that, in the sentence and in the list of what is owed."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from portal.i18n import languages
from portal.i18n.admin_labels import DOUBT, HINT
from portal.present import reasons
from status_db.model import Obligation
from sync.plan import matching
from sync.rule import moved

NOW = datetime(2019, 6, 1, tzinfo=UTC)
UNCLEAR = Obligation("loan", "地质学", None, None, "B1", due_unreadable=True)


@pytest.mark.parametrize(
    ("code", "words", "said"),
    [
        ("zh", "应还日期不明", "1 册未还（《地质学》应还日期不明）。"),
        ("en", "due date unreadable", "“地质学” due date unreadable"),
    ],
)
def test_it_is_shown_in_both_languages(code: str, words: str, said: str) -> None:
    language = languages.load(["zh", "en"], ZoneInfo("Asia/Shanghai"))[code]
    (line,) = reasons.owed(language, [UNCLEAR], NOW)
    assert (line.due, line.overdue) == (words, False)
    assert said in reasons.sentence(language, [UNCLEAR], NOW)


def test_every_hint_of_a_key_and_every_doubt_has_a_word() -> None:
    hints = {value for name, value in vars(matching).items() if name.isupper() and not name.startswith("_")}
    assert {hint for hint in hints if isinstance(hint, str)} == HINT.keys() - {""}
    assert moved.MOVED in DOUBT
