"""What an account may read: for each step, the students in its scopes."""

from collections.abc import Iterable, Mapping

from status_db.accounts.accounts import Account, Act
from status_db.accounts.authority import allowed
from status_db.views import Scope, StudentView

#: An auditor reads everything that any reader may read.
_READING = (Act.READ, Act.AUDIT)
_DETAILED = (Act.DECIDE, Act.REVIEW, Act.AUDIT)


def readable(account: Account, steps: Iterable[str], cohort: str) -> dict[str, tuple[Scope, ...]]:
    """Return step → the scopes in which the account may read it in a cohort; steps it may not read are left out."""
    return allowed(account.grants, _READING, steps, cohort)


def detailed(account: Account, steps: Iterable[str], cohort: str) -> dict[str, tuple[Scope, ...]]:
    """Return step → the scopes in which the account reads titles and amounts of what is owed.

    The office that decides or reviews a step does, and auditors. A grant to read has the status and the count.
    """
    return allowed(account.grants, _DETAILED, steps, cohort)


def classes_of(account: Account, cohort: str | None = None) -> tuple[str, ...]:
    """Return the classes of a class teacher: of an account that reads nothing but classes; empty for any other.

    With `cohort`, grants for other cohorts do not count.
    """
    names: list[str] = []
    for grant in account.grants:
        if cohort is not None and grant.cohort not in (None, cohort):
            continue
        if grant.act is not Act.READ or "class" not in grant.scope:
            return ()
        names += grant.scope["class"]
    return tuple(dict.fromkeys(names))


def teaches(account: Account) -> bool:
    """Return whether the account is a class teacher's."""
    return bool(classes_of(account))


def oversees(account: Account) -> bool:
    """Return whether the account sees sources, runs and unmatched rows: it manages, or reads every step everywhere."""
    reading = [grant for grant in account.grants if grant.act in _READING]
    return account.may(Act.MANAGE) or any(grant.step is None and not grant.scope for grant in reading)


def speaks_for(account: Account, step: str, cohort: str) -> bool:
    """Return whether the account decides a step for all students: then it can confirm runs for the office.

    A run changes students of every college, so a grant with a scope is not enough.
    """
    return any(
        grant.act is Act.DECIDE and grant.step in (None, step) and not grant.scope and grant.cohort in (None, cohort)
        for grant in account.grants
    )


def inside(student: StudentView, scopes: Iterable[Scope]) -> bool:
    """Return whether a student is in one of the scopes. A scope with an unknown column contains no student."""
    columns = _columns(student)
    return any(
        all(column in columns and columns[column] in values for column, values in scope.items()) for scope in scopes
    )


def _columns(student: StudentView) -> Mapping[str, str]:
    return {
        "college": student.college,
        "class": student.class_name,
        "level": student.level,
        "campus": student.campus,
        "building": student.building,
        "category": student.category,
    }
