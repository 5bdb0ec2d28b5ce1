"""Guard reasons: why the guard suspends a change, as a kind with its figures, so that each language words it. Pure.

As text, a guard reason is the English sentence of the command line and the log.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

Figures: TypeAlias = Mapping[str, str | int]


class GuardReasonKind(StrEnum):
    """The kinds of guard reasons."""

    FIRST_ANSWER = "first_answer"
    SETTINGS_CHANGED = "settings_changed"
    NO_ROWS = "no_rows"
    ROWS_FALL = "rows_fall"
    #: Too many students move in one direction by this change alone …
    AT_ONCE = "at_once"
    #: … or together with those that have moved recently.
    LATELY = "lately"
    #: One answer releases all students that are held …
    ALL_OF_FEW = "all_of_few"
    #: … or nearly all students of one college, campus, building or branch, and hardly any others.
    GROUP = "group"
    #: More rows than before have only a match hint, have no amount, or cannot be read.
    QUALITY = "quality"
    #: A list that was about the roster's students is about others.
    OTHER_PEOPLE = "other_people"
    ROSTER_EMPTY = "roster_empty"
    ROSTER_FALLS = "roster_falls"
    ROSTER_MOVES = "roster_moves"
    #: A change of settings changes students' steps.
    STEPS_CHANGE = "steps_change"
    #: After a change of settings, a review waits for fewer steps.
    REVIEW_LOOSENED = "review_loosened"
    #: No flow of the changed settings fits some students.
    UNPLACED = "unplaced"
    ROSTER_GROUP = "roster_group"
    #: Half of a small roster, or more, would leave it.
    ROSTER_OTHERS = "roster_others"


_SENTENCES: Mapping[GuardReasonKind, str] = {
    GuardReasonKind.FIRST_ANSWER: "this is the first answer of {source}: {records} records wait for approval",
    GuardReasonKind.SETTINGS_CHANGED: (
        "the settings of {source} have changed, and with them {records} records and {findings} findings"
    ),
    GuardReasonKind.NO_ROWS: "no rows at all, where there were {before}",
    GuardReasonKind.ROWS_FALL: "rows about roster students fall from {before} to {rows} (limit {percent} %{least})",
    GuardReasonKind.AT_ONCE: (
        "{students} of {base} {now} students would be {then} at once{beyond} (limit {percent} % and {count})"
    ),
    GuardReasonKind.LATELY: (
        "{students} of {base} {now} students would be {then} since the last approval or within 24 h{beyond} "
        "(limit {percent} % and {count})"
    ),
    GuardReasonKind.ALL_OF_FEW: (
        "all {students} held students would be {then} at once (limit: fewer than {all_of} held)"
    ),
    GuardReasonKind.GROUP: (
        "{students} of the {base} held students of the {column} {group} would be {then} at once, and {others} of the "
        "{others_base} others (limit {percent} % of {count} or more)"
    ),
    GuardReasonKind.QUALITY: (
        "{poor} of {rows} rows have only a match hint ({hinted}), no amount ({no_amount}) or nothing readable "
        "({unreadable}), where {before} of {before_rows} did (limit {points} points and {count} rows)"
    ),
    GuardReasonKind.OTHER_PEOPLE: (
        "{about} of {rows} rows are about students on the roster, where {before} of {before_rows} were: this may be "
        "another year's list"
    ),
    GuardReasonKind.ROSTER_EMPTY: "the roster is empty, where it had {before} students",
    GuardReasonKind.ROSTER_FALLS: "the roster falls from {before} to {rows} students (limit {percent} %)",
    GuardReasonKind.ROSTER_MOVES: "{students} of {base} students would {what} (limit {percent} % and {count})",
    GuardReasonKind.STEPS_CHANGE: (
        "the settings change steps of {students} of {base} students: {clears} steps become clear, {loses} no longer are"
    ),
    GuardReasonKind.REVIEW_LOOSENED: "the review {review} of the flow {flow} would no longer wait for {steps}",
    GuardReasonKind.UNPLACED: "no flow fits {students} students any more (the first is {first})",
    GuardReasonKind.ROSTER_GROUP: (
        "{students} of the {base} students of the {column} {group} would no longer leave this year, and {others} of "
        "the {others_base} others (limit {percent} % of {count} or more)"
    ),
    GuardReasonKind.ROSTER_OTHERS: (
        "{students} of {base} students would no longer leave this year: this may be another year's list"
    ),
}

#: Figures that are words → their text.
_WORDS: Mapping[str, str] = {
    "cleared_or_unknown": "cleared or unknown",
    "leave_no_more": "no longer leave this year",
    "begin_anew": "start again in another flow",
    "let_off": "become exempt from a step",
}


@dataclass(frozen=True, slots=True)
class GuardReason:
    """One reason to suspend a change."""

    kind: GuardReasonKind
    #: Numbers, and the words that `kind` needs: see the sentences. `wave` is the size of the expected change, or 0.
    figures: Figures

    def __str__(self) -> str:
        expected_change = self.figures.get("wave")
        texts = {name: _WORDS.get(str(value), value) for name, value in self.figures.items()}
        least = f" and {self.figures['count']}" if "count" in self.figures else ""
        beyond = f" beyond the expected change of {expected_change}" if expected_change else ""
        return _SENTENCES[self.kind].format(**texts, beyond=beyond, least=least)


def packed(reasons: Iterable[GuardReason]) -> list[list[Any]]:
    """Return guard reasons as plain lists, to be stored as JSON."""
    return [[guard_reason.kind.value, dict(guard_reason.figures)] for guard_reason in reasons]


def unpacked(kept: Iterable[Any]) -> tuple[GuardReason, ...]:
    """Return the guard reasons that `packed` wrote."""
    return tuple(GuardReason(GuardReasonKind(kind), figures) for kind, figures in kept)
