"""A proposal: a source of the settings file as a probe suggests it. A person, `check` and the first run decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from foundation.refusals import Refused


class SetupCode(StrEnum):
    """Why the set-up wrote nothing."""

    #: Two answers contradict each other, or one is not usable.
    ANSWERS = "answers"
    #: What was probed has nothing that a source could read.
    NOTHING_FOUND = "nothing_found"
    #: A file is already there, and is never overwritten.
    EXISTS = "exists"
    #: The folder cannot be written.
    FOLDER = "folder"


class SetupRefused(Refused[SetupCode]):
    """The set-up refused, and wrote nothing. The text ends with the fix."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One table `[source.NAME]`, or the table `[roster]`, with what it was made from."""

    #: What was recognised, in one sentence.
    found: str
    #: The name of its table; `roster` for the roster.
    name: str
    #: The step that it decides; empty for the roster.
    step: str
    #: The keys of its connector, in the order of the file.
    connector: Mapping[str, object]
    #: Our field → the column; empty where the connector has its own mapping.
    columns: Mapping[str, str] = field(default_factory=dict)
    #: `items`, `balance` or `status`; empty for the roster.
    means: str = ""
    #: What staff read for it, in Chinese and English; empty for the roster.
    title: str = ""
    title_en: str = ""
    #: The other keys: `obligation`, `unit`, `words`, `levels` …
    more: Mapping[str, object] = field(default_factory=dict)
    #: What a person must check, each with what to change.
    doubts: tuple[str, ...] = ()
    #: One row by our fields, with numbers and names of people masked; None without a row.
    sample: Mapping[str, str] | None = None

    def table(self) -> dict[str, object]:
        """Return every key of the table, in the order of the file."""
        keys: dict[str, object] = {"step": self.step} if self.step else {}
        keys |= {key: text for key, text in (("title", self.title), ("title_en", self.title_en)) if text}
        keys |= self.connector
        if self.columns:
            keys["columns"] = dict(self.columns)
        if self.means:
            keys["means"] = self.means
        return keys | dict(self.more)
