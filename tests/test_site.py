"""The site has every document in one place, and its links lead somewhere."""

from pathlib import Path

import pytest

from docs.site import links, navigation
from tests.services.university import ROOT


def documents_of(language: str) -> set[str]:
    """Return the documents that are there, as the navigation names them."""
    chinese = {*(ROOT / "docs" / "zh").rglob("*.md"), ROOT / "README.zh.md"}
    everything = {*(ROOT / "docs").rglob("*.md"), *ROOT.glob("README*.md"), ROOT / "SECURITY.md"}
    found = chinese if language == "zh" else everything - chinese
    return {path.relative_to(ROOT).as_posix() for path in found}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_document_has_one_place_and_every_place_a_document(language: str) -> None:
    placed = navigation.documents(language)
    assert sorted(placed) == sorted(documents_of(language))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_site_starts_with_a_document_of_its_first_part(language: str) -> None:
    _, first = next(navigation.parts(language))
    assert first[0] == navigation.start(language)


def test_every_chinese_document_is_reached_from_the_chinese_readme() -> None:
    readme = (ROOT / "README.zh.md").read_text(encoding="utf-8")
    missing = [name for name in documents_of("zh") - {"README.zh.md"} if f"]({name})" not in readme]
    assert missing == []


class TestTheLinksOfABuiltSite:
    @pytest.fixture
    def site(self, tmp_path: Path) -> Path:
        (tmp_path / "a.html").write_text('<a href="b.html#x">b</a><a href="https://example.edu/">out</a>', "utf-8")
        (tmp_path / "b.html").write_text('<h1 id="x">b</h1><img src="p.png"><a href="#x">x</a>', "utf-8")
        (tmp_path / "p.png").write_bytes(b"")
        return tmp_path

    def test_a_site_whose_links_lead_somewhere_has_no_faults(self, site: Path) -> None:
        assert list(links.faults(site)) == []

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ('<a href="c.html">c</a>', "no file c.html"),
            ('<img src="q.png">', "no file q.png"),
            ('<a href="b.html#y">y</a>', "no place b.html#y"),
            ('<a href="#y">y</a>', "no place #y"),
            ('<script src="https://example.edu/a.js"></script>', "fetches https://example.edu/a.js"),
            ('<link href="//example.edu/a.css">', "fetches //example.edu/a.css"),
        ],
    )
    def test_a_link_that_leads_nowhere_and_a_file_of_another_host_are_found(
        self, site: Path, text: str, fault: str
    ) -> None:
        (site / "z.html").write_text(text, "utf-8")
        assert list(links.faults(site)) == [f"z.html: {fault}"]
