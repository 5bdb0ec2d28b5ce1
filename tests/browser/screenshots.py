"""Pictures of the main pages, over the demo university in the second week of its season: `make screenshots`."""

import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from clearance.commands.demo import finance_office, use_finance_port
from clearance.commands.serve import upgrade_both
from clearance.demo_university.life import add_first_results, announce, approve_waiting, live
from clearance.demo_university.people import PASSWORD, make_accounts
from clearance.services import Program
from clearance.settings_file import load_settings
from demo.offices import SEED, Offices
from demo.story import FIRST_DAY
from tests.browser.browsers import DESK, PHONE, launched
from tests.browser.serving import ROOT, free_port, served

#: The season's days that are lived through before the pictures are taken.
DAYS = 9


def main() -> None:
    """Live through a part of the season, and take the pictures; with names, only these."""
    target = ROOT / "docs" / "screenshots"
    target.mkdir(exist_ok=True)
    with (
        season() as (file, now, waiting),
        served(file, now, {}) as address,
        sync_playwright() as playwright,
        closing(launched(playwright.chromium)) as browser,
    ):
        for name, account, path, size, more in PICTURES:
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            address_of = address + path.format(run=waiting)
            shot(browser, address, target / f"{name}.png", account=account, at=address_of, size=size, more=more)


_CHINESE: dict[str, Any] = {"locale": "zh-CN"}
#: Of the demo's students: one who owes, one who is through.
_OWES, _THROUGH = "2015190107", "2015120005"

#: Name, who looks, which page, how large, and what else is special about their browser.
PICTURES: tuple[tuple[str, str, str, dict[str, int], dict[str, Any]], ...] = (
    ("sign-in", "", "/sign-in", PHONE, _CHINESE),
    ("student", _OWES, "/", PHONE, _CHINESE),
    ("student-dark-english", _OWES, "/", PHONE, {"locale": "en-GB", "color_scheme": "dark"}),
    ("student-collect", _THROUGH, "/", PHONE, _CHINESE),
    ("slip", _THROUGH, "/slip", PHONE, _CHINESE),
    ("appeal", _OWES, "/appeal?step=library", PHONE, _CHINESE),
    ("class-teacher", "teacher", "/lists/reminder", DESK, _CHINESE),
    ("styleguide", "", "/styleguide", DESK, _CHINESE),
    ("overview", "dean", "/overview", DESK, _CHINESE),
    ("overview-phone", "dean", "/overview", PHONE, _CHINESE),
    ("overview-dark-english", "dean", "/overview", DESK, {"locale": "en-GB", "color_scheme": "dark"}),
    ("lists", "counsellor", "/lists", DESK, _CHINESE),
    ("report", "dean", "/report", DESK, _CHINESE),
    ("desk", "librarian", "/desk", DESK, _CHINESE),
    ("desk-record", "librarian", f"/desk/students/{_OWES}?step=library", DESK, _CHINESE),
    ("desk-phone-english", "librarian", f"/desk/students/{_OWES}?step=library", PHONE, {"locale": "en-GB"}),
    ("desk-reviewer", "reviewer", "/desk", DESK, _CHINESE),
    ("desk-classes", "reviewer", "/desk/classes", DESK, _CHINESE),
    ("new-account", "admin", "/new-account", DESK, _CHINESE),
    ("sources", "admin", "/sources", DESK, _CHINESE),
    ("run", "admin", "/runs/{run}", DESK, _CHINESE),
    ("unmatched", "admin", "/unmatched", DESK, _CHINESE),
    ("accounts", "admin", "/accounts", DESK, _CHINESE),
    ("announcements", "admin", "/announcements", DESK, _CHINESE),
    ("audit", "auditor", "/audit", DESK, _CHINESE),
)


@contextmanager
def season() -> Iterator[tuple[Path, datetime, int]]:
    """Give the settings file of a demo university that has lived through a part of its season, the time there,
    and the number of a run that waits for a person.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config" / "clearance.toml"
        file.parent.mkdir()
        shutil.copy(ROOT / "config" / "demo.toml", file)
        offices = Offices(Path(folder) / ".demo" / "offices", "")
        port = free_port()
        use_finance_port(port)
        offices.write(0)
        settings = load_settings(file)
        upgrade_both(settings)
        now = datetime.combine(FIRST_DAY, time(9, 40), settings.institution.timezone)
        with finance_office(offices, port):
            for day in range(DAYS):
                offices.write(day)
                now += timedelta(days=min(day, 1))
                with closing(Program(settings, settings.cohort_keys()[0], partial(_same, now))) as program:
                    program.sync.open_cohort()
                    outcomes = [program.sync.run(name, by="schedule") for name in program.sync.names()]
                    approve_waiting(program, outcomes)
                    if day == 0:
                        make_accounts(program, add_first_results(program, SEED))
                    live(program, SEED, day)
                    announce(program)
            now += timedelta(minutes=15)
            with closing(Program(settings, settings.cohort_keys()[0], partial(_same, now))) as program:
                _lose_the_fines(offices.folder / "library.sqlite")
                outcome = program.sync.run("fines", by="schedule")
        yield file, now, outcome.run or 0


def _lose_the_fines(library: Path) -> None:
    """Have the library's table of fines empty, as after a failed import: the guard holds that back."""
    with closing(sqlite3.connect(library)) as connection, connection:
        connection.execute("DELETE FROM accountlines")


def _same(moment: datetime) -> datetime:
    return moment


def shot(
    browser: Browser, address: str, target: Path, *, account: str, at: str, size: dict[str, int], more: dict[str, Any]
) -> None:
    """Take one picture of one page, as one account sees it."""
    context = browser.new_context(viewport=size, **more)  # type: ignore[arg-type]  # two whole numbers by name
    page = context.new_page()
    if account:
        page.goto(f"{address}/sign-in")
        page.fill('input[name="account"]', account)
        page.fill('input[name="password"]', PASSWORD)
        page.press('input[name="password"]', "Enter")
        page.wait_for_url(lambda url: "/sign-in" not in url)
    page.goto(at)
    page.screenshot(path=target, full_page="/lists" not in at)
    # Flat colours and letters lose nothing by it, and a third of the bytes is left.
    with Image.open(target) as taken:
        taken.convert("RGB").quantize(256).save(target, optimize=True)
    sys.stdout.write(f"{target.name}\n")
    context.close()


if __name__ == "__main__":
    main()
