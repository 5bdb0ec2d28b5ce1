"""The encrypted archive of a cohort: a tar of its rows, ledger, uploads and report, encrypted with age.

The tar is encrypted while it is written: no plain copy reaches the disk. The file gets its name only when it is
complete. The manifest is the last member, with the checksum and the rows of every other one.
"""

import hashlib
import io
import json
import os
import secrets
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pyrage
from sqlalchemy import Connection, Engine, Table, select

from foundation.private_files import PRIVATE_FILE, flush, make_folder
from foundation.translation import tr
from status_db import tables
from status_db.ledger.raw_rows import ABOUT_STUDENTS, of_cohort
from status_db.seasons.ending import EndingCode, EndingRefused
from status_db.store.engine import reading

#: The manifest's name in the tar, and the format that this program writes and reads.
MANIFEST, FORMAT = "manifest.json", 1

#: What is not erased, or belongs to the desk.
_ALSO: tuple[Table, ...] = (tables.cohort, tables.season, tables.ledger)
_OF_DESK: tuple[Table, ...] = (tables.appeal, tables.upload, tables.request)

#: Rows that are read at once, and bytes that are hashed at once.
_CHUNK, _BYTES = 2_000, 1 << 20


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """One file in an archive."""

    name: str
    size: int
    sha256: str
    #: How many rows it has; None for a file without rows.
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class ArchiveResult:
    """An archive that was written or read."""

    file: Path
    size: int
    sha256: str
    manifest: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(member["rows"] or 0 for member in self.manifest["members"])


def parse_recipients(texts: Sequence[str]) -> list[Any]:
    """Return age recipients. Raises EndingRefused for none, and for one that is not a recipient."""
    if not texts:
        raise EndingRefused(
            EndingCode.NOT_WRITTEN,
            tr(
                "An archive needs a recipient. Make a key pair with `age-keygen -o archive.key`, keep the file where "
                "only two people have access, and set the line `public key` as recipients in [archive], or add "
                "--recipient."
            ),
        )
    found = []
    for text in texts:
        try:
            found.append(pyrage.x25519.Recipient.from_str(text.strip()))
        except Exception as error:  # the library's errors have no common root but Exception
            raise EndingRefused(
                EndingCode.NOT_WRITTEN,
                tr('"{text}" is not an age recipient: write the public key, which begins with age1.', text=text[:40]),
            ) from error
    return found


def read_identities(file: Path) -> list[Any]:
    """Return the age identities in a key file. Raises EndingRefused."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
        found = [pyrage.x25519.Identity.from_str(line.strip()) for line in lines if line.startswith("AGE-SECRET-KEY-")]
    except Exception as error:  # the library's errors have no common root but Exception
        raise EndingRefused(
            EndingCode.WRONG_ARCHIVE, tr("{file} cannot be read as an age key: {error}", file=file, error=error)
        ) from error
    if not found:
        raise EndingRefused(
            EndingCode.WRONG_ARCHIVE,
            tr("{file} has no age identity: a line that begins with AGE-SECRET-KEY-1. Name the key file.", file=file),
        )
    return found


def write(
    file: Path,
    marks: Engine,
    desk: Engine,
    cohort: str,
    facts: Mapping[str, Any],
    documents: Mapping[str, bytes],
    recipients: Sequence[Any],
) -> ArchiveResult:
    """Write the archive. Raises EndingRefused when it cannot be written whole; then nothing of it is left."""
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    try:
        make_folder(file.parent)
        if file.exists():
            raise EndingRefused(
                EndingCode.NOT_WRITTEN, tr("{file} already exists. Name another file, or move it away.", file=file)
            )
        try:
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as opened:
                manifest = _encrypted(opened, recipients, lambda out: _fill(out, marks, desk, cohort, facts, documents))
            flush(partial)
            found = ArchiveResult(file, partial.stat().st_size, _digest(partial), manifest)
            os.link(partial, file)
            flush(file.parent)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise EndingRefused(
            EndingCode.NOT_WRITTEN,
            tr(
                "The archive could not be written in {folder}: {error}. Nothing of it is left. Check that there is "
                "space, and that this user can write there; then run this again.",
                folder=file.parent,
                error=error.strerror or error,
            ),
        ) from error
    return found


def _encrypted(into: IO[bytes], recipients: Sequence[Any], fill: Callable[[IO[bytes]], Any]) -> Any:  # noqa: ANN401 - what `fill` returns
    """Encrypt what `fill` writes, as it is written. Raises OSError."""
    read_end, write_end = os.pipe()
    faults: list[BaseException] = []
    writing = _Remembering(into)

    def encrypt() -> None:
        with os.fdopen(read_end, "rb") as source:
            try:
                pyrage.encrypt_io(source, writing, recipients)
            except BaseException as fault:  # noqa: BLE001 - it is raised again below
                faults.append(writing.fault or fault)

    worker = threading.Thread(target=encrypt)
    worker.start()
    result = None
    try:
        with os.fdopen(write_end, "wb") as out:
            result = fill(out)
    except BrokenPipeError:
        # The reader has failed, and has the reason.
        pass
    finally:
        worker.join()
    if faults:
        fault = faults[0]
        raise fault if isinstance(fault, OSError) else OSError(str(fault))
    if result is None:
        raise OSError(tr("the archive was not complete"))
    into.flush()
    return result


class _Remembering:
    """A file that keeps its first error: the library turns it into a text of its own."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.fault: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.fault = self.fault or error
            raise

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            self.fault = self.fault or error
            raise


def _fill(
    out: IO[bytes],
    marks: Engine,
    desk: Engine,
    cohort: str,
    facts: Mapping[str, Any],
    documents: Mapping[str, bytes],
) -> dict[str, Any]:
    members: list[ArchiveMember] = []
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        with reading(marks) as connection:
            for table in (*_ALSO, *reversed(ABOUT_STUDENTS)):
                members += _add_table(tar, connection, table, cohort)
        with reading(desk) as connection:
            for table in _OF_DESK:
                members += _add_table(tar, connection, table, cohort)
            members += _add_uploads(tar, connection, cohort)
        members += [_add(tar, name, content) for name, content in documents.items()]
        manifest = {"format": FORMAT, "cohort": cohort, **facts, "members": [_plain(member) for member in members]}
        _add(tar, MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
    return manifest


def _plain(member: ArchiveMember) -> dict[str, Any]:
    return {name: getattr(member, name) for name in ArchiveMember.__slots__}


def _add_table(tar: tarfile.TarFile, connection: Connection, table: Table, cohort: str) -> Iterator[ArchiveMember]:
    """Add a table's rows in files of some rows each, as JSON, one row a line."""
    columns = [c for c in table.columns if not (table is tables.upload and c.key == "content")]
    query = select(*columns).where(of_cohort(table, cohort)).order_by(*table.primary_key)
    result = connection.execute(query, execution_options={"yield_per": _CHUNK})
    for at, part in enumerate(result.partitions(), start=1):
        lines = [
            json.dumps({c.key: _value(v) for c, v in zip(columns, row, strict=True)}, ensure_ascii=False)
            for row in part
        ]
        yield _add(tar, f"rows/{table.name}/{at:05}.jsonl", "\n".join([*lines, ""]).encode(), len(lines))


def _add_uploads(tar: tarfile.TarFile, connection: Connection, cohort: str) -> Iterator[ArchiveMember]:
    upload = tables.upload
    for number, name in connection.execute(
        select(upload.c.upload, upload.c.file).where(upload.c.cohort == cohort).order_by(upload.c.upload)
    ).all():
        content = connection.execute(select(upload.c.content).where(upload.c.upload == number)).scalar_one()
        yield _add(tar, f"uploads/{number}{Path(name).suffix[:8]}", content)


def _value(value: Any) -> Any:  # noqa: ANN401 - any column's value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str | int | float | bool | list | dict) or value is None:
        return value
    return tables.obligations_to_text(value) if isinstance(value, tuple) else str(value)


def _add(tar: tarfile.TarFile, name: str, content: bytes, rows: int | None = None) -> ArchiveMember:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), PRIVATE_FILE
    tar.addfile(info, io.BytesIO(content))
    return ArchiveMember(name, len(content), hashlib.sha256(content).hexdigest(), rows)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def verify(file: Path, identities: Sequence[Any]) -> ArchiveResult:
    """Decrypt an archive and compare every member with its manifest. Raises EndingRefused. Nothing is unpacked."""
    try:
        found, manifest = _read_members(file, identities)
        size, sha256 = file.stat().st_size, _digest(file)
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        raise EndingRefused(
            EndingCode.WRONG_ARCHIVE,
            tr(
                "{file} cannot be read back ({error}). Check that the identity is the right one; if it is, make "
                "another archive: clearance cohort archive",
                file=file,
                error=error,
            ),
        ) from error
    listed = {member["name"]: (member["size"], member["sha256"]) for member in manifest["members"]}
    if manifest["format"] != FORMAT or listed != found:
        wrong = sorted(name for name in {*listed, *found} if listed.get(name) != found.get(name))
        raise EndingRefused(
            EndingCode.WRONG_ARCHIVE,
            tr(
                "{file} does not match its manifest ({wrong}). Make another archive: clearance cohort archive",
                file=file,
                wrong=", ".join(wrong[:3]) or MANIFEST,
            ),
        )
    return ArchiveResult(file, size, sha256, manifest)


def _read_members(file: Path, identities: Sequence[Any]) -> tuple[dict[str, tuple[int, str]], dict[str, Any]]:
    found: dict[str, tuple[int, str]] = {}
    manifest: dict[str, Any] | None = None
    with file.open("rb") as opened, _decrypted(opened, identities) as plain:
        with tarfile.open(fileobj=plain, mode="r|") as tar:
            for info in tar:
                content = tar.extractfile(info)
                if content is None:
                    raise ValueError(tr("{name} is not a file", name=info.name))
                if info.name == MANIFEST:
                    manifest = json.loads(content.read())
                    continue
                over = hashlib.sha256()
                while piece := content.read(_BYTES):
                    over.update(piece)
                found[info.name] = info.size, over.hexdigest()
        # What follows the tar is read too: the encryption proves its own end.
        while plain.read(_BYTES):
            pass
    if manifest is None:
        raise ValueError(tr("there is no manifest in it"))
    return found, manifest


@contextmanager
def _decrypted(source: IO[bytes], identities: Sequence[Any]) -> Iterator[IO[bytes]]:
    """Yield the plain content, as it is decrypted. Raises OSError when the file was altered or the key is another."""
    read_end, write_end = os.pipe()
    faults: list[Exception] = []

    def decrypt() -> None:
        with suppress(BrokenPipeError), os.fdopen(write_end, "wb") as out:
            try:
                pyrage.decrypt_io(source, out, identities)
            except Exception as fault:  # noqa: BLE001 - it is raised again below
                faults.append(fault)

    worker = threading.Thread(target=decrypt)
    worker.start()
    fault: Exception | None = None
    try:
        with os.fdopen(read_end, "rb") as plain:
            yield plain
    except (OSError, tarfile.TarError, ValueError) as error:
        fault = error
    finally:
        worker.join()
    if faults:
        raise OSError(str(faults[0])) from fault
    if fault is not None:
        raise fault
