"""What status rows leave open: words that the settings do not have, and rows that contradict each other. Pure.

A student with an unknown word is unknown. Where rows about the same thing disagree, the stricter row counts.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from connectors.port import Cell, table_of
from foundation.translation import tr_n
from status_db.model import Means, Verdict
from sync.rule.records import Rows, SourceRule, normalise_word, text_of

#: How many different words, and pairs of words, are named.
_MOST = 5

#: How many letters of a cell are shown.
_LETTERS = 40


def status_warnings(rule: SourceRule, fields: Sequence[str], groups: Mapping[Cell, Rows]) -> tuple[str, ...]:
    """Return the warnings about the rows of a status, each ending with the fix."""
    return (*word_warnings(rule, fields, groups), *conflict_warnings(rule, fields, groups))


def word_warnings(rule: SourceRule, fields: Sequence[str], groups: Mapping[Cell, Rows]) -> Iterator[str]:
    """Yield a warning for each word that the settings do not have, the most frequent first."""
    if rule.means is not Means.STATUS:
        return
    at = list(fields).index("status")
    #: Word → a student with it, for each row.
    found: dict[str, list[str]] = defaultdict(list)
    for rows in groups.values():
        for row in rows:
            if normalise_word(row[at]) not in rule.words:
                found[text_of(row[at])[:_LETTERS]].append(text_of(row[0])[:_LETTERS])
    most = sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
    for word, students in most[:_MOST]:
        yield tr_n(
            '{number} row has the word "{word}", which is not in the settings, for example for {student}. It clears '
            "no student. Add the word to words in {table}, as done, not_done or exempt.",
            '{number} rows have the word "{word}", which is not in the settings, for example for {student}. They '
            "clear no student. Add the word to words in {table}, as done, not_done or exempt.",
            len(students),
            word=word,
            student=min(students),
            table=table_of(rule.source),
        )
    if more := sum(len(students) for _, students in most[_MOST:]):
        yield tr_n(
            "{number} more row has other words that are not in the settings.",
            "{number} more rows have other words that are not in the settings.",
            more,
        )


def conflict_warnings(rule: SourceRule, fields: Sequence[str], groups: Mapping[Cell, Rows]) -> Iterator[str]:
    """Yield a warning for the words of each disagreement between rows about the same thing of one student."""
    if rule.means is not Means.STATUS:
        return
    found: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for rows in groups.values():
        if len(rows) > 1:
            for words in _conflicts(rule, list(fields), rows):
                found[words].append(text_of(rows[0][0])[:_LETTERS])
    most = sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
    for words, students in most[:_MOST]:
        yield tr_n(
            "{number} student has rows that contradict each other: {words}, for example {student}. The stricter "
            "row counts. Have the office correct its rows.",
            "{number} students have rows that contradict each other: {words}, for example {student}. The stricter "
            "row counts. Have the office correct its rows.",
            len(students),
            words=" / ".join(f'"{word}"' for word in words),
            student=min(students),
        )
    if more := sum(len(students) for _, students in most[_MOST:]):
        yield tr_n(
            "{number} more student has rows that contradict each other in other words.",
            "{number} more students have rows that contradict each other in other words.",
            more,
        )


def _conflicts(rule: SourceRule, fields: list[str], rows: Rows) -> Iterator[tuple[str, ...]]:
    """Yield the different words of each thing that a student's rows disagree about.

    Rows about different rooms or cards have different references, and do not contradict each other.
    """
    at, named = fields.index("status"), fields.index("reference") if "reference" in fields else None
    verdicts: dict[str, dict[Verdict, str]] = defaultdict(dict)
    for row in sorted(rows, key=repr):
        verdict = rule.words.get(normalise_word(row[at]))
        if verdict is not None:
            reference = text_of(row[named]) if named is not None else ""
            verdicts[reference].setdefault(verdict, text_of(row[at])[:_LETTERS])
    for words in verdicts.values():
        if len(words) > 1:
            yield tuple(sorted(words.values()))
