"""The cohort of a page: the one in its address, else the first open one; and the choice of another cohort."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import Request

from config.settings import Settings
from config.tables.cohorts import Cohort
from portal.web.links import link

#: The parameters kept when another cohort is chosen. Colleges, pages and numbers belong to one cohort.
_KEPT = ("step", "source", "state")

#: The pages that a student has in every cohort.
_OWN = ("/", "/slip")


@dataclass(frozen=True, slots=True)
class CohortChoice:
    """A cohort that the reader can choose, with the address of the same page about it."""

    name: str
    address: str
    chosen: bool


def chosen(request: Request, settings: Settings) -> Cohort:
    """Return the cohort of a request's address."""
    asked = request.query_params.get("cohort", "")
    return settings.cohort_named(asked if asked in settings.cohort_keys() else settings.default_cohort())


def named(settings: Settings, cohort: str) -> str:
    """Return a cohort as addresses name it; empty for the default cohort."""
    return "" if cohort == settings.default_cohort() else cohort


def naming(cohort: str, path: str, **query: object) -> str:
    """Return the address of a page about this cohort; empty values are left out, and `class_` is class."""
    return link(path, cohort=cohort, **query)


def address(settings: Settings, cohort: str, path: str, **query: object) -> str:
    """Return the address of a page of this cohort; empty values are left out."""
    return naming(named(settings, cohort), path, **query)


def own_choices(request: Request, settings: Settings, cohort: str, cohorts: Iterable[str]) -> list[CohortChoice]:
    """Return a student's cohorts with the address of the same page about each; empty if there is only one.

    A form about a step leads to the first page: the other cohort may not have the step.
    """
    listed = list(cohorts)
    if len(listed) == 1:
        return []
    path = request.url.path if request.method == "GET" and request.url.path in _OWN else "/"
    return [CohortChoice(settings.cohort_named(key).name, naming(key, path), key == cohort) for key in listed]


def choices(request: Request, settings: Settings, cohort: str, listing: Iterable[str]) -> list[CohortChoice]:
    """Return every cohort with its name and the address of the same page about it; empty if there is only one.

    `listing` are the cohorts of the student that the page is about.
    """
    if len(settings.cohort) == 1 or request.method != "GET":
        return []
    kept = {name: value for name in _KEPT if (value := request.query_params.get(name))}
    here = request.url.path

    def path(key: str) -> str:
        # A run belongs to one cohort, and a student to those whose rosters have the number.
        if here.startswith("/runs/"):
            return "/runs"
        return "/students" if here.startswith("/students/") and key not in listing else here

    return [
        CohortChoice(one.name, address(settings, one.key, path(one.key), **kept), one.key == cohort)
        for one in settings.cohort
    ]
