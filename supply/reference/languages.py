"""The languages of the reference: English as in the code, and Chinese from catalogues.

Help texts of commands are translated in the program's own catalogue. `reference.po` beside this module has what only
the reference shows: the doc comments of the settings, and the words of the pages. `make reference` keeps it up to date.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

from supply.locks import ROOT
from supply.messages import CATALOGUES, read

FILE = Path(__file__).with_name("reference.po")


@dataclass(slots=True)
class ReferenceLanguage:
    """One language of the reference. It collects the texts that were asked for."""

    code: str
    #: The folder of the pages, in docs/.
    folder: str
    own: Mapping[str, str] = field(default_factory=dict)
    asked: dict[str, None] = field(default_factory=dict)

    def text(self, english: str) -> str:
        """Return a text of the reference in this language; in English where it has no translation."""
        self.asked[english] = None
        return self.own.get(english) or english

    def help_text(self, english: str) -> str:
        """Return a help text of a command in this language; in English where it has no translation."""
        return _helps().get(english, english) if self.code == "zh" else english


def english() -> ReferenceLanguage:
    """Return the language of the code."""
    return ReferenceLanguage("en", "reference")


def chinese() -> ReferenceLanguage:
    """Return Chinese, as far as the catalogues have it."""
    return ReferenceLanguage("zh", "zh/reference", _translations(FILE))


def update(texts: Iterable[str], file: Path) -> None:
    """Write a catalogue with these texts, each with the translation that it has in the catalogue of the reference."""
    known = _translations(FILE)
    catalogue = Catalog("zh", fuzzy=False)
    for text in texts:
        catalogue.add(text, known.get(text, ""))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        write_po(opened, catalogue, width=0, omit_header=True)


def untranslated() -> list[str]:
    """Return the texts of the catalogue that have no translation."""
    return [text for text, translation in _translations(FILE).items() if not translation]


def _translations(file: Path) -> dict[str, str]:
    return {str(each.id): str(each.string or "") for each in read(file) if each.id} if file.exists() else {}


@cache
def _helps() -> Mapping[str, str]:
    return {text: string for text, string in _translations(ROOT / CATALOGUES["zh"]).items() if string}
