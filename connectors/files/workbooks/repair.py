"""A copy of a workbook that Excel opens and openpyxl refuses, with only what a list needs.

The copy has the worksheets, the shared texts and the number formats: programs differ from the standard in fonts, fills,
colours, drawings and properties. Names of parts with backslashes, and the namespaces of strict OOXML, are written as
openpyxl reads them. Cells are not changed.
"""

import io
import posixpath
import zipfile
from dataclasses import dataclass
from typing import IO
from xml.etree.ElementTree import Element
from xml.sax.saxutils import quoteattr

from defusedxml.ElementTree import fromstring

from foundation.translation import tr

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"

#: The namespaces of strict OOXML, and their usual form.
_STRICT = (
    (b"http://purl.oclc.org/ooxml/spreadsheetml/main", _MAIN.encode()),
    (b"http://purl.oclc.org/ooxml/officeDocument/relationships", _RELATIONS.encode()),
)


class NoWorkbookError(ValueError):
    """The archive has no workbook."""


@dataclass(frozen=True, slots=True)
class _Sheet:
    name: str
    state: str
    part: str


class _Package:
    """The parts of a workbook, by their names in the standard's form."""

    def __init__(self, packed: zipfile.ZipFile) -> None:
        self._packed = packed
        self._names = {_part_name(entry.filename): entry.filename for entry in packed.infolist()}

    def has(self, part: str) -> bool:
        """Return whether the part exists."""
        return _part_name(part) in self._names

    def read(self, part: str) -> bytes:
        """Return a part in the usual namespaces."""
        name = self._names[_part_name(part)]
        with self._packed.open(name) as packed:
            # Reading at most the declared size keeps a part from unpacking to more.
            content = packed.read(self._packed.getinfo(name).file_size + 1)
        for strict, usual in _STRICT:
            content = content.replace(strict, usual)
        return content

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return a part's relations by id: the last word of the kind, and the target part."""
        folder, name = posixpath.split(part)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        if not self.has(rels):
            return {}
        return {
            element.get("Id", ""): (
                element.get("Type", "").rpartition("/")[2],
                _from_folder(folder, element.get("Target", "")),
            )
            for element in fromstring(self.read(rels))
        }


def repaired(file: IO[bytes]) -> IO[bytes]:
    """Return the copy. Raises NoWorkbookError, and the errors of a broken archive or broken XML."""
    file.seek(0)
    with zipfile.ZipFile(file) as packed:
        package = _Package(packed)
        book = next((part for kind, part in package.relations("").values() if kind == "officeDocument"), "")
        book = book if package.has(book) else "xl/workbook.xml"
        if not package.has(book):
            raise NoWorkbookError(tr("the archive has no workbook"))
        return _copy_workbook(package, book)


def _copy_workbook(package: _Package, book: str) -> IO[bytes]:
    workbook = fromstring(package.read(book))
    relations = package.relations(book)
    sheets = [sheet for sheet in _sheets(workbook, relations) if package.has(sheet.part)]
    if not sheets:
        raise NoWorkbookError(tr("the workbook has no worksheets"))
    others = {kind: part for kind, part in relations.values() if package.has(part)}
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        types = [("xl/workbook.xml", "sheet.main")]
        links = []
        for number, sheet in enumerate(sheets, 1):
            target.writestr(f"xl/worksheets/sheet{number}.xml", package.read(sheet.part))
            types.append((f"xl/worksheets/sheet{number}.xml", "worksheet"))
            links.append((f"s{number}", "worksheet", f"worksheets/sheet{number}.xml"))
        if "sharedStrings" in others:
            target.writestr("xl/sharedStrings.xml", package.read(others["sharedStrings"]))
            types.append(("xl/sharedStrings.xml", "sharedStrings"))
            links.append(("t", "sharedStrings", "sharedStrings.xml"))
        if "styles" in others:
            target.writestr("xl/styles.xml", _formats(fromstring(package.read(others["styles"]))))
            types.append(("xl/styles.xml", "styles"))
            links.append(("f", "styles", "styles.xml"))
        target.writestr("xl/workbook.xml", _workbook(sheets, _date1904(workbook)))
        target.writestr("xl/_rels/workbook.xml.rels", _relations(links))
        target.writestr("_rels/.rels", _relations([("b", "officeDocument", "xl/workbook.xml")]))
        target.writestr("[Content_Types].xml", _types(types))
    return copy


def _sheets(workbook: Element, relations: dict[str, tuple[str, str]]) -> list[_Sheet]:
    found = []
    for element in _elements(workbook, "sheet"):
        link = next((value for name, value in element.items() if name.endswith("}id")), "")
        kind, part = relations.get(link, ("", ""))
        if kind == "worksheet":
            found.append(_Sheet(element.get("name", ""), element.get("state", "visible"), part))
    return found


def _formats(styles: Element) -> str:
    """Return a style sheet with only the number formats."""
    formats = "".join(
        f"<numFmt numFmtId={quoteattr(element.get('numFmtId', '0'))} "
        f"formatCode={quoteattr(element.get('formatCode', ''))}/>"
        for element in _elements(styles, "numFmt")
    )
    cells = "".join(
        f"<xf numFmtId={quoteattr(xf.get('numFmtId', '0'))} fontId='0' fillId='0' borderId='0' xfId='0'/>"
        for group in _elements(styles, "cellXfs")
        for xf in _elements(group, "xf")
    )
    xf = "<xf numFmtId='0' fontId='0' fillId='0' borderId='0'/>"
    return (
        f"<styleSheet xmlns='{_MAIN}'>{f'<numFmts>{formats}</numFmts>' if formats else ''}<fonts><font/></fonts>"
        "<fills><fill><patternFill patternType='none'/></fill></fills><borders><border/></borders>"
        f"<cellStyleXfs>{xf}</cellStyleXfs><cellXfs>{cells or xf}</cellXfs>"
        "<cellStyles><cellStyle name='Normal' xfId='0' builtinId='0'/></cellStyles></styleSheet>"
    )


def _workbook(sheets: list[_Sheet], date1904: str) -> str:
    listed = "".join(
        f"<sheet name={quoteattr(sheet.name)} sheetId='{number}' state={quoteattr(sheet.state)} r:id='s{number}'/>"
        for number, sheet in enumerate(sheets, 1)
    )
    return (
        f"<workbook xmlns='{_MAIN}' xmlns:r='{_RELATIONS}'><workbookPr date1904='{date1904}'/>"
        f"<sheets>{listed}</sheets></workbook>"
    )


def _relations(links: list[tuple[str, str, str]]) -> str:
    listed = "".join(f"<Relationship Id='{i}' Type='{_RELATIONS}/{kind}' Target='{part}'/>" for i, kind, part in links)
    return f"<Relationships xmlns='{_PACKAGE}/relationships'>{listed}</Relationships>"


def _types(types: list[tuple[str, str]]) -> str:
    listed = "".join(f"<Override PartName='/{part}' ContentType='{_CONTENT}.{kind}+xml'/>" for part, kind in types)
    return f"<Types xmlns='{_PACKAGE}/content-types'>{listed}</Types>"


def _date1904(workbook: Element) -> str:
    given = next((element.get("date1904", "0") for element in _elements(workbook, "workbookPr")), "0")
    return "1" if given.lower() in ("1", "true", "on") else "0"


def _elements(element: Element, name: str) -> list[Element]:
    return [found for found in element.iter() if str(found.tag).rpartition("}")[2] == name]


def _part_name(part: str) -> str:
    return part.replace("\\", "/").lstrip("/").lower()


def _from_folder(folder: str, target: str) -> str:
    target = target.replace("\\", "/")
    return target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
