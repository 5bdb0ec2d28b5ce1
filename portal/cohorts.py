"""Which cohort a page is about: the one its address names, else the first that is open; and the choice of another."""

from collections.abc import Mapping
from urllib.parse import urlencode

from starlette.requests import Request

from config.settings import Cohort, Settings

#: What an address keeps when another cohort is chosen; names of colleges, pages and numbers are this cohort's own.
_KEPT = ("step", "source", "state")


def chosen(request: Request, settings: Settings) -> Cohort:
    """Return the cohort that an address means."""
    asked = request.query_params.get("cohort", "")
    return settings.cohort_named(asked if asked in settings.cohort_keys() else settings.default_cohort())


def address(settings: Settings, cohort: str, path: str, **wanted: object) -> str:
    """Return a page of this cohort; empty values are left out."""
    values = {"cohort": "" if cohort == settings.default_cohort() else cohort, **wanted}
    named = {name.rstrip("_"): value for name, value in values.items() if value}
    return f"{path}?{urlencode(named)}" if named else path


def choices(request: Request, settings: Settings, cohort: str) -> list[Mapping[str, object]]:
    """Return every cohort with its name and the address of the same page about it; nothing where there is but one."""
    if len(settings.cohort) == 1 or request.method != "GET":
        return []
    kept = {name: value for name in _KEPT if (value := request.query_params.get(name))}
    # A run is of one cohort.
    path = "/runs" if request.url.path.startswith("/runs/") else request.url.path
    return [
        {"name": one.name, "address": address(settings, one.key, path, **kept), "chosen": one.key == cohort}
        for one in settings.cohort
    ]
