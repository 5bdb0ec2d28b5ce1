"""The catalogues of translations: `python -m supply.messages` updates them from the code, with Babel."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from portal.i18n.languages import catalogue_file
from supply.locks import ROOT

#: The folder whose texts each catalogue translates. The pages are written in Chinese, so Chinese needs none for them.
FOLDERS = {"en": "portal"}

_PLACEHOLDER = re.compile(r"%\(\w+\)\w")


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
    """Update the catalogue of a language from the code."""
    file = root / catalogue_file(code).relative_to(ROOT)
    before = read(file)
    with tempfile.TemporaryDirectory() as folder:
        template = _extract(code, root, Path(folder))
        # Without the date, a catalogue changes only where a text does.
        options = ("--no-wrap", "--ignore-obsolete", "--ignore-pot-creation-date", "--locale", code)
        _babel(root, "update", *options, "--input-file", str(template), "--output-file", str(file))
        after, current = read(file), read(template)
    return Update(missing(current, after), dead(current, before), fuzzy(after), faulty(after))


def _extract(code: str, root: Path, folder: Path) -> Path:
    template = folder / "messages.pot"
    options = ("--mapping-file", str(ROOT / "pyproject.toml"), "--add-location=file", "--no-wrap")
    _babel(root, "extract", *options, "--output-file", str(template), FOLDERS[code])
    return template


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
    wanted = set(_PLACEHOLDER.findall(_source_text(message)))
    return all(set(_PLACEHOLDER.findall(string)) == wanted for string in _strings(message) if string)


if __name__ == "__main__":
    for language in FOLDERS:
        sys.stdout.write(f"{catalogue_file(language).relative_to(ROOT)}\n")
        sys.stdout.writelines(f"{line}\n" for line in update(language).lines())
