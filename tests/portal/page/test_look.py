"""The university's own colour is made readable, its emblem is on every page, and breadcrumbs lead up."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from portal.page.look import contrast, look_of
from portal.page.navigation import rooms_of, trail
from portal.page.templates import STATIC
from status_db.accounts.accounts import Account, Act, Grant
from tests.portal.conftest import settle
from tests.portal.html_page import Page
from tests.portal.whole import whole_app
from tests.world import SETTINGS, World

SignedIn = Callable[[str], TestClient]

EMBLEM = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4"/></svg>'


@pytest.mark.parametrize("colour", ["#ffdd00", "#8b0000", "#000000", "#ffffff", "#7f7f7f"])
def test_any_colour_becomes_one_whose_words_can_be_read(colour: str, sqlite_world: World) -> None:
    look = look_of(sqlite_world.settings.institution.model_copy(update={"colour": colour}))
    names = dict(
        part.split(": ") for part in look.colours.split("@media")[0].split("{ ")[1].split("; }")[0].split("; ")
    )
    dark = dict(part.split(": ") for part in look.colours.rsplit("{ ", 1)[1].split("; }")[0].split("; "))
    for ground in ("#ffffff", "#f7f8fa", "#eaf1fa"):
        assert contrast(names["--brand"], ground) >= 4.5
    for ground in ("#101419", "#181e25", "#202832"):
        assert contrast(dark["--brand"], ground) >= 4.5
    assert contrast(names["--brand-fill"], "#ffffff") >= 4.5
    assert contrast(dark["--brand-fill"], "#ffffff") >= 4.5


def test_emblem_and_colour_of_the_settings_are_on_every_page(tmp_path: Path) -> None:
    (tmp_path / "emblem.svg").write_text(EMBLEM, encoding="utf-8")
    own = SETTINGS.replace("[institution]\n", f'[institution]\ncolour = "#8b0000"\nemblem = "{tmp_path}/emblem.svg"\n')
    with (
        World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, own) as made,
        TestClient(whole_app(settle(made))) as browser,
    ):
        page = browser.get("/sign-in")
        (emblem,) = Page(page).all("img")
        picture = browser.get(emblem["src"])
        assert picture.text == EMBLEM
        assert picture.headers["content-type"] == "image/svg+xml"
        assert "default-src 'none'" in picture.headers["content-security-policy"]
        styles = [part["href"] for part in Page(page).all("link") if "colours.css" in part["href"]]
        assert "#8b0000" in browser.get(styles[0]).text


def test_an_emblem_that_cannot_be_read_stops_nothing(sqlite_world: World, tmp_path: Path) -> None:
    institution = sqlite_world.settings.institution.model_copy(update={"emblem": tmp_path / "gone.svg"})
    assert look_of(institution).emblem_address == ""


def test_only_a_demo_has_the_style_guide(signed_in: SignedIn) -> None:
    assert signed_in("dean").get("/styleguide").status_code == 404


def test_no_stylesheet_fetches_anything() -> None:
    for file in STATIC.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert "url(" not in text, file
        assert "@import" not in text, file


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("/overview", []),
        ("/overview/days", ["/overview"]),
        ("/students/1", ["/students"]),
        ("/runs", ["/sources"]),
        ("/runs/8", ["/sources", "/runs"]),
        ("/desk/certificates/3", ["/desk", "/desk/certificates"]),
        ("/desk/import/batches/2", ["/desk", "/desk/import/batches"]),
        ("/own", ["/"]),
        ("/verify/x", []),
    ],
)
def test_the_trail_leads_to_the_pages_above(path: str, above: list[str]) -> None:
    grants = tuple(Grant(act) for act in (Act.READ, Act.DECIDE, Act.MANAGE))
    rooms = rooms_of(Account("a", "A", None, None, True, datetime.now(UTC), grants))
    assert [crumb.address for crumb in trail(path, rooms, signed_in=True)] == above
