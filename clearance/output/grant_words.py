"""Grants as text: parsing what the command line and lists contain, in Chinese or English, and printing."""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum

from clearance.services import Program
from config.renames import stored_name
from foundation.refusals import Refused
from status_db.accounts.accounts import SCOPE_COLUMNS, Act, Grant

_ACTS: Mapping[str, Act] = {
    **{act.value: act for act in Act},
    "查看": Act.READ,
    "办理": Act.DECIDE,
    "审核": Act.DECIDE,
    "终审": Act.REVIEW,
    "发证": Act.ISSUE,
    "颁发证书": Act.ISSUE,
    "管理": Act.MANAGE,
    "审计": Act.AUDIT,
}
_COLUMNS: Mapping[str, str] = {
    **{column: column for column in SCOPE_COLUMNS},
    "学院": "college",
    "班级": "class",
    "层次": "level",
    "培养层次": "level",
    "校区": "campus",
    "楼栋": "building",
    "类别": "category",
}
_EVERY_STEP = ("", "*", "全部", "all")
_EVERYBODY = ("", "*", "全部", "全校", "all")
_EVERY_COHORT = ("", "*", "全部", "不限", "all")

_BETWEEN_ACTS = re.compile(r"[、,，;；/\s]+")
_BETWEEN_COLUMNS = re.compile(r"[;；]")
_BETWEEN_VALUES = re.compile(r"[,，、]")


class GrantCode(StrEnum):
    """Why a text is not a grant."""

    #: The act is not one of read, decide, review, issue, manage and audit.
    ACT = "act"
    #: The settings do not have the step.
    STEP = "step"
    #: The scope names a roster column that does not exist.
    SCOPE = "scope"
    #: The settings do not have the cohort.
    COHORT = "cohort"


class GrantUnreadable(Refused[GrantCode]):
    """The error for a text that is not a grant."""


def grant_of(program: Program, text: str, cohort: str | None = None) -> Grant:
    """Return the grant of ACT, ACT:STEP or ACT:STEP:COLUMN=VALUE. Raises GrantUnreadable."""
    act, _, rest = text.partition(":")
    step, _, scope = rest.partition(":")
    return Grant(_parse_act(act), _parse_step(program, step), _parse_scope(scope), _parse_cohort(program, cohort or ""))


def grants_of(program: Program, acts: str, step: str, scope: str, cohort: str) -> tuple[Grant, ...]:
    """Return the grants of a list's cells, one for each act. Raises GrantUnreadable."""
    named = [word for word in _BETWEEN_ACTS.split(acts.strip()) if word]
    if not named:
        raise GrantUnreadable(GrantCode.ACT, f"there is no act: write one of {', '.join(_ACTS)}")
    where, until = _parse_scope(scope), _parse_cohort(program, cohort)
    return tuple(Grant(_parse_act(word), _parse_step(program, step), where, until) for word in named)


def grant_text(grant: Grant) -> str:
    """Return a grant as one line of text."""
    scope = (f"{column}={','.join(values)}" for column, values in grant.scope.items())
    until = (f"until {grant.cohort}",) if grant.cohort else ()
    return " ".join([grant.act.value, grant.step or "every step", *scope, *until])


def grants_text(grants: Iterable[Grant], *, numbered: bool = False) -> str:
    """Return grants as one line of text; with `numbered`, each with the number to revoke it by."""
    return "; ".join(f"[{g.id}] {grant_text(g)}" if numbered else grant_text(g) for g in grants)


def _parse_act(word: str) -> Act:
    act = _ACTS.get(word.strip().lower())
    if act is None:
        raise GrantUnreadable(GrantCode.ACT, f'"{word}" is not an act: write one of {", ".join(_ACTS)}')
    return act


def _parse_step(program: Program, word: str) -> str | None:
    if word.strip() in _EVERY_STEP:
        return None
    steps, word = program.settings.step, stored_name(program.settings, word.strip())
    found = next((s.key for s in steps if word in (s.key, s.title, s.title_en)), None)
    if found is None:
        raise GrantUnreadable(
            GrantCode.STEP,
            f'"{word}" is not a step: write one of {", ".join(s.key for s in steps)}, or * for every step',
        )
    return found


def _parse_scope(text: str) -> dict[str, tuple[str, ...]]:
    if text.strip() in _EVERYBODY:
        return {}
    scope: dict[str, tuple[str, ...]] = {}
    for piece in _BETWEEN_COLUMNS.split(text):
        column, equals, listed = piece.replace("＝", "=").partition("=")
        values = tuple(value.strip() for value in _BETWEEN_VALUES.split(listed) if value.strip())
        if not (equals and values):
            raise GrantUnreadable(
                GrantCode.SCOPE, f'"{piece}" is not a scope: write COLUMN=VALUE, such as college=资源学院'
            )
        name = _COLUMNS.get(column.strip().lower())
        if name is None:
            raise GrantUnreadable(GrantCode.SCOPE, f'a scope cannot name "{column}". Use one of: {", ".join(_COLUMNS)}')
        scope[name] = scope.get(name, ()) + values
    return scope


def _parse_cohort(program: Program, word: str) -> str | None:
    if word.strip() in _EVERY_COHORT:
        return None
    cohorts = program.settings.cohort
    found = next((c.key for c in cohorts if word.strip() in (c.key, c.name)), None)
    if found is None:
        raise GrantUnreadable(
            GrantCode.COHORT, f'"{word}" is not a cohort: write one of {", ".join(c.key for c in cohorts)}'
        )
    return found
