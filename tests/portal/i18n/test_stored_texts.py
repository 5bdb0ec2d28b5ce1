"""Texts that runs stored: shown in the reader's language, whichever the process wrote them in, and never altered."""

import pytest

from foundation.translation import in_language as written_in
from foundation.translation import tr, tr_n
from portal.i18n.stored_texts import in_language


def proofs() -> list[str]:
    """Return texts as connectors store them."""
    pages = tr_n("{number} page", "{number} pages", 3)
    return [
        tr("{count} rows of at most {limit}", count=36, limit=1000),
        tr("{pages}, {count} rows, the same in both readings", pages=pages, count=272),
        f"{pages}, {tr('{number} references, each once', number=272)}",
        tr("every text decoded: {charset}", charset="utf-8"),
    ]


@pytest.mark.parametrize(("wrote", "reads"), [("en", "zh"), ("zh", "en"), ("en", "en"), ("zh", "zh")])
def test_a_stored_text_is_shown_as_the_reader_would_have_had_it_written(wrote: str, reads: str) -> None:
    with written_in(wrote):
        stored = proofs()
    with written_in(reads):
        wanted = proofs()
    shown = [in_language(text, reads) for text in stored]
    assert [text.replace("，", ", ") for text in shown] == [text.replace("，", ", ") for text in wanted]


@pytest.mark.parametrize("text", ["学号, 姓名, 学院", "cardnumber, title", "Öffnungszeiten: 8 Uhr", "", "42"])
@pytest.mark.parametrize("reads", ["zh", "en"])
def test_a_text_of_no_catalogue_stays_as_it_is(text: str, reads: str) -> None:
    assert in_language(text, reads) == text


def test_only_a_text_that_would_take_long_to_match_stays_as_it_is() -> None:
    with written_in("en"):
        proof = proofs()[0]
    short, long = (f"{proof}; " + "a: b, " * times for times in (2, 400))
    assert in_language(short, "zh") != short
    assert in_language(long, "zh") == long
