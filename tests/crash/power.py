"""What a power cut leaves of the files that a process was writing: what was synced, and chance's choice of the rest.

The calls come from a log of strace with whole, hexadecimal strings. A write that no fsync or fdatasync of its file has
followed may be on disk, or not, or in part, by sectors; the order of such writes means nothing.
"""

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

_SECTOR = 512
_PATH = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")
_WRITE = re.compile(r'^pwrite64\(\d+<((?:\\x[0-9a-f]{2})+)>, "((?:\\x[0-9a-f]{2})*)", (\d+), (\d+)\)\s+= (\d+)')
_TRUNCATE = re.compile(r"^ftruncate\(\d+<((?:\\x[0-9a-f]{2})+)>, (\d+)\)\s+= 0")
_SYNC = re.compile(r"^(?:fsync|fdatasync)\(\d+<((?:\\x[0-9a-f]{2})+)>\)\s+= 0")
_UNLINK = re.compile(r'^unlink\("((?:\\x[0-9a-f]{2})+)"\)\s+= 0')


def _plain(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


@dataclass
class _File:
    durable: bytearray
    #: (from where, what); what is None for a new length.
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)


def _put(content: bytearray, at: int, what: bytes | None) -> None:
    if what is None:
        del content[at:]
        content.extend(bytes(at - len(content)))
        return
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(what)] = what


class Disk:
    """A database's file and its log, as far as they are safe."""

    def __init__(self, database: Path) -> None:
        """Begin with what is stored there now, all of it safe."""
        self._database = str(database).encode()
        self._files = {self._database: _File(bytearray(database.read_bytes()))}

    def see(self, line: str) -> None:
        """Take one call into account."""
        if (match := _WRITE.match(line)) and int(match[3]) == int(match[5]):
            data = _plain(match[2])
            assert len(data) == int(match[3]), "the log's strings are cut"
            self._of(_plain(match[1])).pending.append((int(match[4]), data))
        elif match := _TRUNCATE.match(line):
            self._of(_plain(match[1])).pending.append((int(match[2]), None))
        elif match := _SYNC.match(line):
            if (file := self._files.get(_plain(match[1]))) is not None:
                for change in file.pending:
                    _put(file.durable, *change)
                file.pending.clear()
        elif match := _UNLINK.match(line):
            self._of(_plain(match[1])).pending.append((0, None))

    def _of(self, path: bytes) -> _File:
        return self._files.setdefault(path, _File(bytearray()))

    def cut(self, chance: random.Random, into: Path) -> None:
        """Write what the disk may hold after a power cut now, beside `into` as its database.

        The shared index is memory, and is gone.
        """
        for tail in ("", "-wal", "-shm"):
            path = Path(f"{into}{tail}")
            path.unlink(missing_ok=True)
            file = self._files.get(self._database + tail.encode())
            if file is None or tail == "-shm":
                continue
            content = bytearray(file.durable)
            for at, what in file.pending:
                for start, part in _parts(at, what):
                    if chance.random() < 0.5:
                        _put(content, start, part)
            path.write_bytes(content)


def _parts(at: int, what: bytes | None) -> list[tuple[int, bytes | None]]:
    if what is None:
        return [(at, None)]
    return [(at + start, what[start : start + _SECTOR]) for start in range(0, len(what), _SECTOR)]
