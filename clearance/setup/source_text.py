"""The text of a proposed source, and a settings file with it at its end."""

import os
import shutil
import tempfile
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from clearance.output.code_words import joined
from clearance.settings_file import schema_of
from clearance.setup import toml_text
from clearance.setup.proposal import Proposal, SetupCode, SetupRefused
from config.load import SettingsError, load
from config.wording import why_no_toml
from foundation.private_files import flush
from foundation.translation import tr


def source_lines(proposal: Proposal, on: date) -> list[str]:
    """Return the lines of a proposal's table, with what it was made from and what to check as comments."""
    comments = [
        proposal.found,
        tr("Proposed on {day}. It counts only after `clearance check` and the first approval.", day=on),
    ]
    if proposal.sample:
        row = joined(f"{name} = {text}" for name, text in proposal.sample.items())
        comments.append(tr("A row of it, with numbers and names masked: {row}", row=row))
    comments += [tr("Check: {doubt}", doubt=doubt) for doubt in proposal.doubts]
    head = "[roster]" if proposal.name == "roster" else f"[source.{proposal.name}]"
    return toml_text.table(head, proposal.table(), comments)


def append_sources(file: Path, proposals: Sequence[Proposal], on: date) -> str:
    """Append the tables of these proposals to a settings file, and return them as text.

    The file keeps every byte that it has. It is replaced at once, and only if it can be loaded with the new tables.
    Raises SettingsError, SetupRefused.
    """
    file = file.resolve()
    before = _read(file)
    newline = "\r\n" if b"\r\n" in before else "\n"
    text = newline.join(line for each in proposals for line in ("", *source_lines(each, on))) + newline
    gap = b"" if not before or before.endswith(b"\n") else newline.encode()
    after = before + gap + text.encode()
    refuse_mistakes(file, after.decode("utf-8-sig"))
    _replace(file, before, after)
    return text


def source_names(file: Path) -> frozenset[str]:
    """Return the names of the sources in a settings file. Raises SettingsError, SetupRefused.

    Other mistakes are reported with the new sources: a step that waits for its first source is one of them.
    """
    try:
        found = tomllib.loads(_read(file).decode("utf-8-sig")).get("source", {})
    except UnicodeDecodeError as error:
        raise SettingsError(file, [tr("the file is not UTF-8 ({error}): save it as UTF-8", error=error)]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, [tr("invalid TOML ({error}): correct this line", error=why_no_toml(error))]) from None
    return frozenset(found) if isinstance(found, dict) else frozenset()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SetupRefused(
            SetupCode.FOLDER,
            tr(
                "{file} cannot be read ({why}). Name the settings file with --config, or begin with clearance init.",
                file=file,
                why=error.strerror,
            ),
        ) from None


def refuse_mistakes(file: Path, text: str) -> None:
    """Raise SettingsError with every mistake of a settings file before it is written, and how to go on."""
    try:
        load(file, schema_of, text=text)
    except SettingsError as error:
        lines = [
            *error.mistakes,
            tr(
                'Nothing was written. A step that a source decides has the kind "synced" in each [[flow]]: where it '
                'is "manual", change that, and run this command again. It works although clearance check refuses the '
                "file until the source is in it."
            ),
        ]
        raise SettingsError(file, lines) from None


def _replace(file: Path, before: bytes, after: bytes) -> None:
    """Write the new content beside the file, with its permissions, and put it in its place. Raises SetupRefused."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        new = Path(name)
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(after)
            shutil.copymode(file, new)
            if os.name == "posix" and os.geteuid() == 0:
                owner = file.stat()
                os.chown(new, owner.st_uid, owner.st_gid)
            flush(new)
            if file.read_bytes() != before:
                raise SetupRefused(
                    SetupCode.EXISTS, tr("{file} was changed meanwhile. Nothing was written: run it again.", file=file)
                )
            new.replace(file)
            flush(file.parent)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise SetupRefused(
            SetupCode.FOLDER,
            tr(
                "{file} cannot be written ({why}). Nothing was changed. Run this as its owner, with room on the disk.",
                file=file,
                why=error.strerror,
            ),
        ) from None
