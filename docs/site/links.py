"""Check that every link of a built site leads somewhere, and that no page asks another host for anything.

`python -m docs.site.links FOLDER` lists the faults and ends with 1 where there is one.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What a browser fetches by itself.
_FETCHED = {"img", "link", "script", "source", "iframe"}


class _Page(HTMLParser):
    """Collects a page's links and the places that others can link to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        for name, value in attrs:
            if name == "id" and value:
                self.places.add(value)
            elif name in {"href", "src"} and value:
                self.links.append((tag, value))


def _read(file: Path) -> _Page:
    page = _Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page


def faults(site: Path) -> Iterator[str]:
    """Name each link that leads nowhere, and each thing that a page fetches from another host."""
    site = site.resolve()
    # The theme keeps a template among its own files.
    files = (file for file in sorted(site.rglob("*.html")) if "_static" not in file.parts)
    pages = {file: _read(file) for file in files}
    for file, page in pages.items():
        for tag, link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if tag in _FETCHED and parts.scheme != "data":
                    yield f"{file.relative_to(site)}: fetches {link}"
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if not target.is_file():
                yield f"{file.relative_to(site)}: no file {link}"
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].places:
                yield f"{file.relative_to(site)}: no place {link}"


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1])))
    sys.stdout.write("".join(f"{fault}\n" for fault in found))
    sys.exit(1 if found else 0)
