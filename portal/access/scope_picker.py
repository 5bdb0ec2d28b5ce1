"""Scopes on forms: which students something is about, chosen among the values on the roster."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from portal.i18n import admin_labels, labels
from portal.i18n.languages import Language
from portal.page.context import Context
from status_db.views import Scope

#: The separator of column and value in a form's field.
_BETWEEN = "="


@dataclass(frozen=True, slots=True)
class ScopeValue:
    """One value to tick."""

    field: str
    value: str
    ticked: bool


@dataclass(frozen=True, slots=True)
class ScopeColumn:
    """One roster column with its values."""

    title: str
    choices: tuple[ScopeValue, ...]
    #: A value is ticked, so the column is shown open.
    open: bool


def values_of(context: Context) -> Mapping[str, tuple[str, ...]]:
    """Return scope column → the values of students in the open cohorts, in order."""
    found: dict[str, set[str]] = {}
    for key in context.settings.open_cohorts() or (context.settings.default_cohort(),):
        for name, values in context.services.roster.values(key).items():
            found.setdefault(name, set()).update(values)
    return {name: tuple(sorted(values)) for name, values in found.items()}


def columns(language: Language, values: Mapping[str, Sequence[str]], chosen: Scope) -> tuple[ScopeColumn, ...]:
    """Return the columns to choose from, with the chosen values ticked."""
    return tuple(
        ScopeColumn(
            labels.say(language, admin_labels.SCOPE_COLUMNS, name),
            tuple(
                ScopeValue(f"{name}{_BETWEEN}{one}", value_word(language, name, one), one in chosen.get(name, ()))
                for one in listed
            ),
            name in chosen,
        )
        for name, listed in values.items()
        if listed
    )


def read_scope(sent: Iterable[str], values: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]] | None:
    """Return the scope in a form's fields; None if a value is not on the roster."""
    scope: dict[str, list[str]] = {}
    for one in dict.fromkeys(sent):
        name, _, value = one.partition(_BETWEEN)
        if value not in values.get(name, ()):
            return None
        scope.setdefault(name, []).append(value)
    return {name: tuple(listed) for name, listed in scope.items()}


def scope_text(language: Language, scope: Scope) -> str:
    """Return a scope in words: "学院：资源学院；班级：…"; empty for all students."""
    return "; ".join(
        f"{labels.say(language, admin_labels.SCOPE_COLUMNS, name)}{': ' if language.code == 'en' else '：'}"
        + language.listed(value_word(language, name, one) for one in listed)
        for name, listed in scope.items()
    )


def value_word(language: Language, column: str, value: str) -> str:
    """Return the word for one value: a level in our words, everything else as on the roster."""
    return labels.say(language, admin_labels.LEVELS, value) if column == "level" else value
