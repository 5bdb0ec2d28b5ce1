"""Several institutions on one installation: a folder with a settings file for each, named by its key.

`KEY.toml` is an institution. Its relative paths start at the folder `KEY` beside it, `env:NAME` in it reads the
variable `NAME__KEY`, and `CLEARANCE_KEY__TABLE__NAME` overrides a key of it. Thus a copied file names nothing of
another institution. The key is in capitals in variables, with `_` for `-`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from foundation.translation import tr

#: What all institutions of a folder share. No key begins with `_`.
PROCESS_FILE = "_process.toml"

#: The longest key.
_LONGEST = 24

#: No two hyphens together and none at the end: otherwise variables of two institutions could have one name.
_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def wrong_key(key: str) -> str:
    """Return why a text cannot be an institution's key, with the fix; empty if it can be."""
    if _KEY.fullmatch(key) and len(key) <= _LONGEST:
        return ""
    return tr(
        "{key} is not the key of an institution: use at most {longest} letters a to z, digits, and single hyphens "
        "between them",
        key=key,
        longest=_LONGEST,
    )


@dataclass(frozen=True, slots=True)
class InstitutionFile:
    """One institution of a folder."""

    key: str
    #: Its settings file.
    file: Path

    @property
    def folder(self) -> Path:
        """Where its relative paths start."""
        return self.file.parent / self.key

    @property
    def _in_variables(self) -> str:
        return self.key.upper().replace("-", "_")

    @property
    def suffix(self) -> str:
        """What the names of its variables end with."""
        return f"__{self._in_variables}"

    @property
    def prefix(self) -> str:
        """What the names of the variables that override its settings begin with."""
        return f"CLEARANCE_{self._in_variables}__"


def institution_in(folder: Path, key: str) -> InstitutionFile:
    """Return the institution with a key; its file may be missing."""
    return InstitutionFile(key, folder / f"{key}.toml")


def institutions_in(folder: Path) -> Iterator[InstitutionFile]:
    """Yield the institutions of a folder, by key; one can have a wrong key. Raises OSError."""
    for file in sorted(folder.iterdir()):
        if file.suffix == ".toml" and not file.name.startswith(("_", ".")):
            yield InstitutionFile(file.stem, file)
