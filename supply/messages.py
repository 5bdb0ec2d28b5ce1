"""The catalogues of translations: `python -m supply.messages` updates them from the code, with Babel.

The pages are written in Chinese and translated to English. Everything else is written in English and translated to
Chinese: the command line with its help, checks, errors and notifications.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from typer.main import get_command

from clearance.help_texts import english
from clearance.main import app
from foundation import translation
from portal.i18n.languages import catalogue_file
from supply.locks import ROOT

#: The catalogue of each language.
CATALOGUES = {
    "en": catalogue_file("en").relative_to(ROOT),
    "zh": (translation.LOCALE / "zh" / "LC_MESSAGES" / "messages.po").relative_to(ROOT),
}

#: The folders whose texts are English, each with the functions that translate or mark one. In the pages' folder, `N_`
#: marks Chinese.
_MARKS: Mapping[str, tuple[int, ...] | None] = {"tr": None, "tr_n": (1, 2)}
_ENGLISH: Mapping[str, Mapping[str, tuple[int, ...] | None]] = {
    "portal": _MARKS,
    **{
        folder: {**_MARKS, "N_": None}
        for folder in ("clearance", "config", "connectors", "demo", "foundation", "status_db", "sync")
    },
}

#: A value in a text: %(name)s on the pages, {name} elsewhere.
_PLACEHOLDER = re.compile(r"%\(\w+\)\w|\{\w+[^{}]*\}")


def read(file: Path) -> Catalog:
    """Read a catalogue or a template."""
    with file.open("rb") as opened:
        return read_po(opened, abort_invalid=True)


def extract(code: str, root: Path = ROOT) -> Catalog:
    """Return every text that the catalogue of a language must translate."""
    with tempfile.TemporaryDirectory() as folder:
        return read(_extract(code, root, Path(folder)))


def missing(template: Catalog, catalogue: Catalog) -> list[str]:
    """Return the texts that have no translation."""
    return [_source_text(message) for message in template if message.id and not _translated(catalogue.get(message.id))]


def dead(template: Catalog, catalogue: Catalog) -> list[str]:
    """Return the texts that have a translation and are no longer used."""
    kept = [message for message in catalogue if message.id and message.id not in template]
    return [_source_text(message) for message in (*kept, *catalogue.obsolete.values())]


def fuzzy(catalogue: Catalog) -> list[str]:
    """Return the texts whose translation is not confirmed."""
    return [_source_text(message) for message in catalogue if message.id and message.fuzzy]


def faulty(catalogue: Catalog) -> list[str]:
    """Return the texts whose translation has other placeholders or fails Babel's own checks."""
    refused = [message for message, _ in catalogue.check()]
    unlike = [message for message in catalogue if message.id and not _same_placeholders(message)]
    return list(dict.fromkeys(_source_text(message) for message in (*refused, *unlike)))


@dataclass(frozen=True, slots=True)
class Update:
    """The texts to check after an update."""

    #: Without a translation.
    new: Sequence[str]
    #: Removed from the catalogue.
    dead: Sequence[str]
    #: With a translation that Babel took from a similar text.
    fuzzy: Sequence[str]
    #: With a translation that has other placeholders.
    faulty: Sequence[str]

    def lines(self) -> Iterator[str]:
        """Return the lines to print, one for each text."""
        yield f"  {len(self.new)} new, {len(self.dead)} dead, {len(self.fuzzy)} fuzzy, {len(self.faulty)} faulty"
        kinds = (("new", self.new), ("dead", self.dead), ("fuzzy", self.fuzzy), ("faulty", self.faulty))
        for kind, texts in kinds:
            yield from (f"  {kind}: {text}" for text in texts)


def update(code: str, root: Path = ROOT) -> Update:
    """Update the catalogue of a language from the code, and compile it where the program reads it compiled."""
    file = root / CATALOGUES[code]
    before = read(file)
    with tempfile.TemporaryDirectory() as folder:
        template = _extract(code, root, Path(folder))
        # Without the date, a catalogue changes only where a text does.
        options = ("--no-wrap", "--ignore-obsolete", "--ignore-pot-creation-date", "--locale", code)
        _babel(root, "update", *options, "--input-file", str(template), "--output-file", str(file))
        after, current = read(file), read(template)
    if code in COMPILED:
        compiled_file(code, root).write_bytes(compiled(after))
    return Update(missing(current, after), dead(current, before), fuzzy(after), faulty(after))


#: Compiled in the repository, because a command starts faster than Babel reads a catalogue.
COMPILED = ("zh",)


def compiled_file(code: str, root: Path = ROOT) -> Path:
    """Return the path of the compiled catalogue of a language."""
    return (root / CATALOGUES[code]).with_suffix(".mo")


def compiled(catalogue: Catalog) -> bytes:
    """Return the catalogue as gettext reads it. The same catalogue always gives the same bytes."""
    content = BytesIO()
    write_mo(content, catalogue)
    return content.getvalue()


def _extract(code: str, root: Path, folder: Path) -> Path:
    template = folder / "messages.pot"
    if code == "zh":
        with template.open("wb") as file:
            write_po(file, _english_texts(root), width=0, include_lineno=False, sort_by_file=True)
        return template
    options = ("--mapping-file", str(ROOT / "pyproject.toml"), "--add-location=file", "--no-wrap")
    _babel(root, "extract", *options, "--output-file", str(template), "portal")
    return template


def _english_texts(root: Path) -> Catalog:
    """Return the texts that the code marks, and those of the command line's help."""
    catalogue = Catalog()
    for folder, keywords in _ENGLISH.items():
        found = extract_from_dir(root / folder, [("**.py", "python")], keywords=keywords)
        for name, _, text, comments, _ in found:
            catalogue.add(text, locations=[(f"{folder}/{name}", 0)], auto_comments=comments)
    for text in _help_texts(get_command(app)):
        catalogue.add(text, locations=[("clearance/help_texts.py", 0)])
    return catalogue


def _help_texts(command: Any) -> Iterator[str]:  # noqa: ANN401 - Typer's own copy of click has no public types
    """Yield the help of a command or group, and of all below it."""
    yield from filter(None, (english(command, "help"), english(command, "epilog")))
    yield from filter(None, (english(parameter, "help") for parameter in command.params))
    for each in dict(getattr(command, "commands", {})).values():
        yield from _help_texts(each)


def _babel(root: Path, *words: str) -> None:
    command = [sys.executable, "-m", "babel.messages.frontend", "--quiet", *words]
    subprocess.run(command, cwd=root, check=True)  # noqa: S603 - our own words


def _source_text(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _strings(message: Message) -> Sequence[str]:
    string = message.string or ""
    return (string,) if isinstance(string, str) else string


def _translated(message: Message | None) -> bool:
    return message is not None and all(_strings(message))


def _same_placeholders(message: Message) -> bool:
    # The plural has the number, which a singular may lack.
    source = message.id if isinstance(message.id, str) else message.id[-1]
    wanted = set(_PLACEHOLDER.findall(source))
    return all(set(_PLACEHOLDER.findall(string)) == wanted for string in _strings(message) if string)


if __name__ == "__main__":
    # The help is collected in the language of the code.
    translation.use_language("en")
    for language, catalogue_path in CATALOGUES.items():
        sys.stdout.write(f"{catalogue_path}\n")
        sys.stdout.writelines(f"{line}\n" for line in update(language).lines())
