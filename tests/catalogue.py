"""The Chinese texts of the pages, from the catalogue that translates them."""

from functools import cache

from babel.messages.pofile import read_po

from tests.services.university import ROOT


@cache
def page_places() -> dict[str, tuple[str, ...]]:
    """Return every text that a page may show, with the files that have it."""
    places: dict[str, tuple[str, ...]] = {}
    for file in (ROOT / "portal" / "locale" / "en").rglob("*.po"):
        with file.open("rb") as stream:
            for message in read_po(stream):
                for text in [message.id] if isinstance(message.id, str) else message.id:
                    places[text] = tuple(place for place, _ in message.locations)
    places.pop("", None)
    return places


def page_texts() -> frozenset[str]:
    """Return every text that a page may show."""
    return frozenset(page_places())
