"""The figures of the documents: what counts as prose, and words to avoid that do not come back."""

from collections import Counter

import pytest

from benchmarks import readability
from benchmarks.readability import measure, prose, syllables_of

#: How often each word occurs still: stored names, codes, constants of the pages. The numbers only fall.
MOST = {"says": 28, "twice": 22, "wave": 20, "strangers": 9, "deed": 8, "said": 8, "nobody": 7, "told": 6}


def test_prose_has_no_code_no_tables_and_no_headings() -> None:
    text = "# Head\n\nRun `make docs` [here](x.md).\n\n```sh\nmake it\n```\n\n| a | b |\n|---|---|\n\n- one\n- two.\n"
    assert prose(text) == "Run it here.\none.\ntwo."


@pytest.mark.parametrize(
    ("word", "syllables"), [("source", 1), ("table", 2), ("needed", 2), ("answers", 2), ("university", 5), ("the", 1)]
)
def test_syllables_are_groups_of_vowels(word: str, syllables: int) -> None:
    assert syllables_of(word) == syllables


def test_longer_sentences_and_longer_words_are_harder() -> None:
    easy = measure("a.md", "The dog ran. The cat sat.")
    long = measure("b.md", "The dog ran and the cat sat and the bird sang and the fish swam.")
    hard = measure("c.md", "Administrators configure universities. Reconciliation necessitates authorisation.")
    assert (easy.ease or 0) > (long.ease or 0) > (hard.ease or 0)


def test_chinese_is_measured_in_characters() -> None:
    found = measure("zh.md", "先预演。再写入数据库。")
    assert (found.words, found.sentences, found.ease) == (9, 2, None)


def test_the_words_to_avoid_do_not_come_back() -> None:
    found = Counter(word for word, _ in readability.avoided())
    assert {word: count for word, count in found.items() if count > MOST.get(word, 5)} == {}


def test_no_document_is_hard_to_read() -> None:
    measured = [measure(path.name, path.read_text(encoding="utf-8")) for path in readability.documents()]
    assert [row.document for row in measured if row.ease is not None and row.ease < 60] == []
    assert [row.document for row in measured if row.per_sentence > 30] == []
