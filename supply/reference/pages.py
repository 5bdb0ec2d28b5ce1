"""All pages of the reference, and where each is."""

from collections.abc import Callable, Mapping
from pathlib import Path

from supply.locks import ROOT
from supply.reference import api_page, codes_page, commands_page, settings_page
from supply.reference.languages import FILE, chinese, english, update

#: The path of each page, from the root of the repository, and what makes it.
PAGES: Mapping[str, Callable[[], str]] = {
    "docs/reference/settings.md": lambda: settings_page.page(english()),
    "docs/reference/command-line.md": lambda: commands_page.page(english()),
    "docs/reference/api.md": api_page.page,
    "docs/reference/error-codes.md": codes_page.page,
    "docs/zh/reference/settings.md": lambda: settings_page.page(chinese()),
    "docs/zh/reference/command-line.md": lambda: commands_page.page(chinese()),
}


def texts() -> tuple[str, ...]:
    """Return the texts that the catalogue of the reference must translate."""
    language = english()
    settings_page.page(language)
    commands_page.page(language)
    return tuple(language.asked)


def write(root: Path = ROOT) -> None:
    """Write the catalogue and every page below this folder."""
    update(texts(), root / FILE.relative_to(ROOT))
    for path, made in PAGES.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made(), encoding="utf-8")
