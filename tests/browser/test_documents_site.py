"""The documents' site, as `make site` builds it, read from disk in a browser without a network."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.patience import PATIENCE
from tests.services.university import ROOT

SITE = ROOT / "dist" / "site"

#: Fails instead of skipping where the site is not built.
REQUIRE_VARIABLE = "CLEARANCE_TEST_REQUIRE_SITE"


@pytest.fixture(scope="module")
def site() -> Path:
    """Return the folder of the built site."""
    if not (SITE / "index.html").exists():
        if os.environ.get(REQUIRE_VARIABLE):
            pytest.fail("the site is not built: run make site")
        pytest.skip("the site is not built: run make site")
    return SITE


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """Return a page that reaches no network; at the end, it has asked for none and had no error."""
    context = chromium.new_context(offline=True)
    context.set_default_timeout(PATIENCE * 1000)
    opened = context.new_page()
    asked: list[str] = []
    errors: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert errors == []


def results(page: Page, site: Path, language: str, words: str) -> list[str]:
    """Search the site in a language; return the documents found, without those of the other language."""
    page.goto(f"{(site / language / 'search.html').as_uri()}?q={words}")
    page.wait_for_selector("#search-results li a")
    links = page.locator("#search-results li > a").evaluate_all("links => links.map(link => link.href)")
    folder = (site / language).as_uri()
    return [link.removeprefix(f"{folder}/").partition("#")[0].partition("?")[0] for link in links]


@pytest.mark.parametrize(
    ("language", "words", "document"),
    [
        ("en", "suspended", "docs/running.html"),
        ("en", "tolerance", "docs/reference/settings.html"),
        ("zh", "备份", "docs/zh/backup.html"),
        ("zh", "变动限额", "docs/zh/reference/settings.html"),
    ],
)
def test_a_search_finds_the_document(page: Page, site: Path, language: str, words: str, document: str) -> None:
    assert document in results(page, site, language, words)


def test_the_first_page_leads_to_the_documents_in_both_languages(page: Page, site: Path) -> None:
    for link, heading in (("中文文档", "Clearance Sync"), ("Documentation in English", "Clearance Sync")):
        page.goto((site / "index.html").as_uri())
        page.click(f"text={link}")
        assert page.inner_text("h1").startswith(heading)


def test_a_reference_in_english_leads_to_the_same_page_in_chinese(page: Page, site: Path) -> None:
    page.goto((site / "en" / "docs" / "reference" / "settings.html").as_uri())
    page.click("a[hreflang^=zh]")
    assert page.url.endswith("/zh/docs/zh/reference/settings.html")
    assert "全部设置项" in page.inner_text("h1")
