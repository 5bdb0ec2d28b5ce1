"""The only scripts of the pages, each on one page alone: its hash allows it there.

Browsers offer passkeys to scripts only, and so it is with copying a text in one click. Without scripts the text can be
selected and copied.
"""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_FILES = Path(__file__).parents[1] / "static"


@dataclass(frozen=True, slots=True)
class OwnScript:
    """One script, and the page that it runs on."""

    page: str
    text: str

    @property
    def source(self) -> str:
        """Its source in the page's policy."""
        return f"'sha256-{b64encode(sha256(self.text.encode()).digest()).decode()}'"


PASSKEYS = OwnScript("/second-factor", (_FILES / "passkeys.js").read_text(encoding="utf-8"))
COPY = OwnScript("/lists/reminder", (_FILES / "copy.js").read_text(encoding="utf-8"))

#: The source of each page's script, by path.
SOURCES = {script.page: script.source for script in (PASSKEYS, COPY)}
