"""A page as its reader and a browser take it: words, links, tables and forms, however its HTML is written."""

from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

import httpx

#: Tags that hold nothing and are not closed.
_VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})

_HEADINGS = frozenset({"h1", "h2", "h3", "h4"})


class _Tree(HTMLParser):
    """Builds the tree of a page's elements."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._builder = TreeBuilder()
        self._open: list[str] = []
        self._builder.start("page", {})
        self.feed(source)
        self.close()
        for tag in reversed(self._open):
            self._builder.end(tag)
        self._builder.end("page")
        self.root = self._builder.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in _VOID:
            self._builder.end(tag)
        else:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._builder.start(tag, {name: value or "" for name, value in attrs})
        self._builder.end(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self._open:
            innermost = self._open.pop()
            self._builder.end(innermost)
            if innermost == tag:
                return

    def handle_data(self, data: str) -> None:
        self._builder.data(data)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads, and its words."""

    href: str
    text: str
    rel: str


class Part:
    """A part of a page."""

    def __init__(self, element: Element) -> None:
        self._element = element

    def __getitem__(self, attribute: str) -> str:
        """Return an attribute; empty where there is none."""
        return self._element.get(attribute, "")

    def __contains__(self, attribute: str) -> bool:
        """Say whether it has an attribute."""
        return attribute in self._element.attrib

    @property
    def text(self) -> str:
        """Its words, with one blank wherever there is a tag or white space."""
        return " ".join(" ".join(self._element.itertext()).split())

    @property
    def written(self) -> str:
        """Its text as it is written, line breaks and all."""
        return "".join(self._element.itertext())

    def all(self, *tags: str, **having: str) -> list["Part"]:
        """Return the parts with one of these tags and these attributes, in the page's order; a class is one of several.

        `class_` means class, and `aria_label` aria-label.
        """
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in having.items()}
        return [
            Part(found)
            for found in self._element.iter()
            if (found.tag in tags or not tags) and found is not self._element and _has(found, wanted)
        ]

    def one(self, *tags: str, **having: str) -> "Part":
        """Return the only such part."""
        found = self.all(*tags, **having)
        assert len(found) == 1, (tags, having, len(found), self.text)
        return found[0]

    @property
    def heading(self) -> str:
        """The words of the first heading."""
        return self.all(*_HEADINGS)[0].text

    @property
    def links(self) -> list[Link]:
        """Every link, in the page's order."""
        return [Link(found["href"], found.text, found["rel"]) for found in self.all("a")]

    def link(self, rel: str) -> str:
        """Return where the link of this kind leads; empty where there is none."""
        return next((link.href for link in self.links if link.rel == rel), "")

    @property
    def errors(self) -> list[str]:
        """What the page reports as wrong."""
        return [found.text for found in self.all(role="alert")]

    @property
    def fields(self) -> dict[str, list[str]]:
        """What a browser would send of it, as it is filled in now; buttons apart."""
        sent: dict[str, list[str]] = {}
        for field in self.all("input", "textarea", "select"):
            if field["name"]:
                sent.setdefault(field["name"], []).extend(field._values())
        return {name: values for name, values in sent.items() if values}

    def forms(self, **having: str) -> list["Part"]:
        """Return every such form."""
        return self.all("form", **having)

    @property
    def cells(self) -> list[str]:
        """The words of a row's cells."""
        return [cell.text for cell in self.all("th", "td")]

    @property
    def rows(self) -> list[list[str]]:
        """The words of a table's cells, row by row."""
        return [row.cells for row in self.all("tr")]

    def table(self, caption: str) -> list[list[str]]:
        """Return the rows of the table that has this caption, this first head, or a heading with this id above it."""
        heading = ""
        for part in self.all("table", "details", *_HEADINGS):
            if part._element.tag != "table":
                heading = part["id"]
            elif caption in (heading, *(found.text for found in part.all("caption")), *part.rows[0][:1]):
                return part.rows
        raise AssertionError(f"no table {caption}: {self.text}")

    def section(self, title: str) -> "Part | None":
        """Return the section whose heading begins so; None where there is none."""
        sections = [found for found in self.all("section") if found.all(*_HEADINGS)]
        return next((found for found in sections if found.heading.startswith(title)), None)

    def _values(self) -> Iterator[str]:
        match self._element.tag, self["type"]:
            case "textarea", _:
                yield self.written.removeprefix("\n")
            case "select", _:
                options = self.all("option")
                chosen = next((option for option in options if "selected" in option), options[0])
                yield chosen._element.get("value", chosen.text)
            case _, "checkbox" | "radio":
                if "checked" in self:
                    yield self._element.get("value", "on")
            case _, "submit" | "file":
                pass
            case _:
                yield self["value"]


class Page(Part):
    """A whole page, or a piece of one."""

    def __init__(self, source: str | httpx.Response) -> None:
        super().__init__(_Tree(source if isinstance(source, str) else source.text).root)


def _has(element: Element, wanted: dict[str, str]) -> bool:
    return all(
        value in element.get(name, "").split() if name == "class" else element.get(name) == value
        for name, value in wanted.items()
    )
