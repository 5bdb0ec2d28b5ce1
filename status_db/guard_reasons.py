"""Guard reasons: why the guard suspends a change, as a kind with its figures, so that each language words it. Pure.

As text, a guard reason is the sentence of the command line and the log, in the language of the process.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from foundation.translation import N_, tr
from status_db.code_words import code_word

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
    GuardReasonKind.FIRST_ANSWER: N_("this is the first answer of {source}: {records} records wait for approval"),
    GuardReasonKind.SETTINGS_CHANGED: N_(
        "the settings of {source} have changed, and with them {records} records and {findings} findings"
    ),
    GuardReasonKind.NO_ROWS: N_("no rows at all, where there were {before}"),
    GuardReasonKind.ROWS_FALL: N_("rows about roster students fall from {before} to {rows} (limit {percent} %{least})"),
    GuardReasonKind.AT_ONCE: N_(
        "{students} of {base} {now} students would be {then} at once{beyond} (limit {percent} % and {count})"
    ),
    GuardReasonKind.LATELY: N_(
        "{students} of {base} {now} students would be {then} since the last approval or within 24 h{beyond} "
        "(limit {percent} % and {count})"
    ),
    GuardReasonKind.ALL_OF_FEW: N_(
        "all {students} held students would be {then} at once (limit: fewer than {all_of} held)"
    ),
    GuardReasonKind.GROUP: N_(
        "{students} of the {base} held students of the {column} {group} would be {then} at once, and {others} of the "
        "{others_base} others (limit {share} of {count} or more)"
    ),
    GuardReasonKind.QUALITY: N_(
        "{poor} of {rows} rows have only a match hint ({hinted}), no amount ({no_amount}) or nothing readable "
        "({unreadable}), where {before} of {before_rows} did (limit {points} points and {count} rows)"
    ),
    GuardReasonKind.OTHER_PEOPLE: N_(
        "{about} of {rows} rows are about students on the roster, where {before} of {before_rows} were: this may be "
        "another year's list"
    ),
    GuardReasonKind.ROSTER_EMPTY: N_("the roster is empty, where it had {before} students"),
    GuardReasonKind.ROSTER_FALLS: N_("the roster falls from {before} to {rows} students (limit {percent} %)"),
    GuardReasonKind.ROSTER_MOVES: N_("{students} of {base} students would {what} (limit {percent} % and {count})"),
    GuardReasonKind.STEPS_CHANGE: N_(
        "the settings change steps of {students} of {base} students: {clears} steps become clear, {loses} no longer are"
    ),
    GuardReasonKind.REVIEW_LOOSENED: N_("the review {review} of the flow {flow} would no longer wait for {steps}"),
    GuardReasonKind.UNPLACED: N_("no flow fits {students} students any more (the first is {first})"),
    GuardReasonKind.ROSTER_GROUP: N_(
        "{students} of the {base} students of the {column} {group} would no longer leave this year, and {others} of "
        "the {others_base} others (limit {share} of {count} or more)"
    ),
    GuardReasonKind.ROSTER_OTHERS: N_(
        "{students} of {base} students would no longer leave this year: this may be another year's list"
    ),
}

#: Figures that can be words …
_WORDED = frozenset({"now", "then", "what", "column"})

#: … and their text.
_WORDS: Mapping[str, str] = {
    "cleared_or_unknown": N_("cleared or unknown"),
    "leave_no_more": N_("no longer leave this year"),
    "begin_anew": N_("start again in another flow"),
    "let_off": N_("become exempt from a step"),
    "known": N_("known"),
    "college": N_("college"),
    "campus": N_("campus"),
    "building": N_("building"),
    "branch": N_("branch"),
}


@dataclass(frozen=True, slots=True)
class GuardReason:
    """One reason to suspend a change."""

    kind: GuardReasonKind
    #: Numbers, and the words that `kind` needs: see the sentences. `wave` is the size of the expected change, or 0.
    figures: Figures

    def __str__(self) -> str:
        expected_change = self.figures.get("wave")
        texts = {name: _word(value) if name in _WORDED else value for name, value in self.figures.items()}
        least = tr(" and {count}", count=self.figures["count"]) if "count" in self.figures else ""
        beyond = tr(" beyond the expected change of {students}", students=expected_change) if expected_change else ""
        share = tr("{percent} %", percent=self.figures["percent"]) if "percent" in self.figures else ""
        return tr(_SENTENCES[self.kind], **texts, beyond=beyond, least=least, share=share)


def _word(figure: str | int) -> str | int:
    """Return a figure that is a word in the language of the process; any other as it is."""
    return (tr(_WORDS[figure]) if figure in _WORDS else code_word(figure)) if isinstance(figure, str) else figure


def packed(reasons: Iterable[GuardReason]) -> list[list[Any]]:
    """Return guard reasons as plain lists, to be stored as JSON."""
    return [[guard_reason.kind.value, dict(guard_reason.figures)] for guard_reason in reasons]


def unpacked(kept: Iterable[Any]) -> tuple[GuardReason, ...]:
    """Return the guard reasons that `packed` wrote."""
    return tuple(GuardReason(GuardReasonKind(kind), figures) for kind, figures in kept)
