"""Which cohort a page is about: the one its address names, else the first that is open; and the choice of another."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request

from config.settings import Settings
from config.tables.cohorts import Cohort

#: What an address keeps when another cohort is chosen; names of colleges, pages and numbers are this cohort's own.
_KEPT = ("step", "source", "state")

#: The pages that a student has in every cohort.
_OWN = ("/", "/slip")


@dataclass(frozen=True, slots=True)
class Own:
    """The cohort in which a student reads the own pages."""

    cohort: str
    #: Every cohort whose roster has the student; where there are several, each page has the choice.
    cohorts: tuple[str, ...]

    @property
    def named(self) -> str:
        """The cohort as addresses name it; empty where there is no other."""
        return self.cohort if len(self.cohorts) > 1 else ""

    def address(self, path: str, **wanted: object) -> str:
        """Return a page about the same cohort; empty values are left out."""
        return naming(self.named, path, **wanted)


def own_choices(request: Request, settings: Settings, own: Own) -> list[Mapping[str, object]]:
    """Return a student's cohorts with the address of the same page about each; nothing where there is but one.

    A form about a step leads to the first page: the step may not be there in the other cohort.
    """
    if len(own.cohorts) == 1:
        return []
    path = request.url.path if request.method == "GET" and request.url.path in _OWN else "/"
    return [
        {
            "name": settings.cohort_named(key).name,
            "address": naming(key, path),
            "chosen": key == own.cohort,
        }
        for key in own.cohorts
    ]


def chosen(request: Request, settings: Settings) -> Cohort:
    """Return the cohort that an address means."""
    asked = request.query_params.get("cohort", "")
    return settings.cohort_named(asked if asked in settings.cohort_keys() else settings.default_cohort())


def named(settings: Settings, cohort: str) -> str:
    """Return a cohort as addresses name it; empty for the one that is meant when none is named."""
    return "" if cohort == settings.default_cohort() else cohort


def naming(cohort: str, path: str, **wanted: object) -> str:
    """Return a page whose address names this cohort; empty values are left out, and `class_` is class."""
    query = {name.rstrip("_"): value for name, value in {"cohort": cohort, **wanted}.items() if value}
    return f"{path}?{urlencode(query)}" if query else path


def address(settings: Settings, cohort: str, path: str, **wanted: object) -> str:
    """Return a page of this cohort; empty values are left out."""
    return naming(named(settings, cohort), path, **wanted)


def same(request: Request, settings: Settings, path: str, **wanted: object) -> str:
    """Return a page about the cohort that a request is about; empty values are left out."""
    return address(settings, chosen(request, settings).key, path, **wanted)


def choices(request: Request, settings: Settings, cohort: str) -> list[Mapping[str, object]]:
    """Return every cohort with its name and the address of the same page about it; nothing where there is but one."""
    if len(settings.cohort) == 1 or request.method != "GET":
        return []
    kept = {name: value for name in _KEPT if (value := request.query_params.get(name))}
    here, listing = request.url.path, getattr(request.state, "listing", ())

    def path(key: str) -> str:
        # A run is of one cohort, and a student of those whose rosters have the number.
        if here.startswith("/runs/"):
            return "/runs"
        return "/students" if here.startswith("/students/") and key not in listing else here

    return [
        {"name": one.name, "address": address(settings, one.key, path(one.key), **kept), "chosen": one.key == cohort}
        for one in settings.cohort
    ]
