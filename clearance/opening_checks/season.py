"""The cohort's windows against today, and levels that have none."""

from collections.abc import Iterator

from clearance.services import Program
from config.tables.cohorts import Cohort
from foundation.translation import tr


def warnings(program: Program) -> Iterator[str]:
    """Yield what is wrong with the days of the cohort, each with the fix."""
    settings = program.settings
    today = program.clock().astimezone(settings.institution.timezone).date()
    for cohort in settings.cohort:
        if cohort.closed:
            continue
        yield from _missing(cohort, {level for flow in settings.flow for level in flow.levels})
        for level, window in cohort.windows.items():
            if window.closes < today:
                yield tr(
                    "[[cohort]] {cohort}: the window of {level} closed on {day}. Set closed = true when the season is "
                    "over, or correct its days.",
                    cohort=cohort.key,
                    level=level,
                    day=window.closes,
                )
            elif cohort.rehearsal and window.opens <= today:
                yield tr(
                    "[[cohort]] {cohort}: rehearsal = true shuts students out, and the window of {level} is open since "
                    "{day}. Remove rehearsal to open.",
                    cohort=cohort.key,
                    level=level,
                    day=window.opens,
                )


def _missing(cohort: Cohort, levels: set[str]) -> Iterator[str]:
    for level in sorted(levels - cohort.windows.keys()):
        if cohort.windows:
            yield tr(
                "[[cohort]] {cohort}: {level} has no window, so it is always open. Add windows.{level}.",
                cohort=cohort.key,
                level=level,
            )
    for level in sorted(cohort.windows.keys() - levels):
        yield tr(
            "[[cohort]] {cohort}: no flow has the level {level} of windows.{level}. Correct its name.",
            cohort=cohort.key,
            level=level,
        )
