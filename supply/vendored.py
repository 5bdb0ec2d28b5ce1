"""Third-party files in this repository. Beside them are their checksums, in SHA256SUMS, and a README."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from supply.locks import ROOT

FOLDERS = (ROOT / "portal" / "fonts",)

_OWN = {"README.md", "SHA256SUMS"}


def vendored() -> dict[Path, str]:
    """Return each file's SHA-256, as in SHA256SUMS."""
    listed: dict[Path, str] = {}
    for folder in FOLDERS:
        for line in (folder / "SHA256SUMS").read_text(encoding="ascii").splitlines():
            digest, name = line.split("  ", 1)
            listed[folder / name] = digest
    return listed


def faults() -> Iterator[str]:
    """Return a message for each file with another checksum, without an entry, or without a licence."""
    listed = vendored()
    for folder in FOLDERS:
        readme = (folder / "README.md").read_text(encoding="utf-8")
        rows = dict(re.findall(r"^\| `([^`]+)` \|.*\| ([^|]+) \|$", readme, re.MULTILINE))
        texts = {name for licence in rows.values() for name in re.findall(r"`([^`]+)`", licence)}
        for file in sorted(folder.iterdir()):
            if file.name in _OWN:
                continue
            if hashlib.sha256(file.read_bytes()).hexdigest() != listed.get(file):
                yield f"{file}: its checksum differs from SHA256SUMS. Restore the file, or update its checksum there."
            if file.name not in texts and not rows.get(file.name):
                yield f"{file}: no licence in the README beside it. Add its line."
        yield from (
            f"{folder / name}: the licence's text is missing. Add it."
            for name in texts
            if not (folder / name).is_file()
        )
    yield from (f"{file}: listed, but missing. Remove its line." for file in listed if not file.is_file())
