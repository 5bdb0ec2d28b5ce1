"""The settings of a cohort that are worth copying for the next one: its days moved by years, its places kept."""

import re
from collections.abc import Iterable
from datetime import date

from clearance.setup import toml_text
from clearance.setup.proposal import SetupCode, SetupRefused
from config.settings import Settings
from config.tables.cohorts import Cohort
from foundation.translation import tr

_YEAR = re.compile(r"(?<!\d)(19|20)\d{2}(?!\d)")


def next_cohort_text(settings: Settings, like: str, key: str = "") -> str:
    """Return a [[cohort]] for the next season, like an earlier one, to add to the settings file.

    Windows are moved by as many years as the keys differ, else by one; weekdays change, so each is a proposal. Cadres
    are left out: they are students of the earlier cohort. It begins as a rehearsal. Raises SetupRefused.
    """
    earlier = next((cohort for cohort in settings.cohort if cohort.key == like), None)
    if earlier is None:
        raise SetupRefused(
            SetupCode.ANSWERS,
            tr('There is no cohort "{like}" in the settings. There are: {known}.', like=like,
               known=", ".join(settings.cohort_keys())),
        )  # fmt: skip
    years = _years(like, key)
    key = key or _moved_key(like)
    if key in settings.cohort_keys():
        raise SetupRefused(
            SetupCode.EXISTS,
            tr('The cohort "{key}" is in the settings already. Name another with --key.', key=key),
        )
    lines = toml_text.table("[[cohort]]", _keys(earlier, key, years), _comments(settings, earlier, key))
    for name, places in (("collect", earlier.collect), ("contacts", earlier.contacts)):
        for college, place in places.items():
            head = f"[cohort.{name}.{toml_text.key(college)}]"
            lines += ["", *toml_text.table(head, place.model_dump(exclude_defaults=True))]
    return "\n".join(lines) + "\n"


def _keys(earlier: Cohort, key: str, years: int) -> dict[str, object]:
    keys: dict[str, object] = {
        "key": key,
        "name": _YEAR.sub(lambda found: str(int(found[0]) + years), earlier.name),
        "rehearsal": True,
    }
    if earlier.roster is not None:
        keys["roster"] = earlier.roster
    if earlier.windows:
        keys["windows"] = {
            level: {"opens": _later(window.opens, years), "closes": _later(window.closes, years)}
            for level, window in earlier.windows.items()
        }
    return keys


def _comments(settings: Settings, earlier: Cohort, key: str) -> Iterable[str]:
    yield tr("The cohort {key}, like {like}. Add this to the settings file.", key=key, like=earlier.key)
    if earlier.windows:
        yield tr("Check the days: they are those of {like}, moved; weekdays and holidays differ.", like=earlier.key)
    if earlier.collect or earlier.contacts:
        yield tr("Check the places, the times and the names below.")
    if not earlier.closed:
        yield tr("Set closed = true in {like} when its season is over.", like=earlier.key)
        if not settings.rosters:
            yield tr("Two open cohorts need a roster each: see docs/settings.md#several-open-cohorts.")
    yield tr("Students stay shut out until rehearsal is removed. The holidays in [calendar] need the new year.")


def _years(like: str, key: str) -> int:
    before, after = _YEAR.search(like), _YEAR.search(key)
    return int(after[0]) - int(before[0]) if before and after else 1


def _moved_key(like: str) -> str:
    moved = _YEAR.sub(lambda found: str(int(found[0]) + 1), like)
    return moved if moved != like else f"{like}-next"


def _later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        # 29 February.
        return day.replace(year=day.year + years, day=28)
