"""The Chinese texts of the pages, from the catalogue that translates them."""

from functools import cache

from babel.messages.pofile import read_po

from tests.services.university import ROOT


@cache
def page_texts() -> frozenset[str]:
    """Return every text that a page may show."""
    texts: set[str] = set()
    for file in (ROOT / "portal" / "locale" / "en").rglob("*.po"):
        with file.open("rb") as stream:
            for message in read_po(stream):
                texts.update([message.id] if isinstance(message.id, str) else message.id)
    return frozenset(texts - {""})
