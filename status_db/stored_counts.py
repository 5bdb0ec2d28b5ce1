"""The counts of runs and batches: values with named fields, and their stored JSON form. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from status_db.guard_reasons import GuardReason, packed, unpacked

#: What fields are called in the stored form, where that is not their name.
_STORED_NAMES = {"unmatched_keys": "strangers", "reasons": "objections"}


@dataclass(frozen=True, slots=True)
class RunCounts:
    """The counts of one run. None means that this kind of run does not have the count; 0 is a count of zero."""

    rows: int | None = None
    # A source's answer.
    roster_rows: int | None = None
    unmatched_keys: int | None = None
    staying: int | None = None
    no_amount: int | None = None
    nameless: int | None = None
    records: int | None = None
    released: int | None = None
    newly_held: int | None = None
    newly_unknown: int | None = None
    #: What the guard counts; runs of older versions do not have it.
    counted_cleared: int | None = None
    counted_held: int | None = None
    # The registrar's list.
    leaving: int | None = None
    joined: int | None = None
    changed: int | None = None
    left: int | None = None
    dropped: int | None = None
    # A change of settings.
    students: int | None = None
    steps_added: int | None = None
    steps_removed: int | None = None
    findings: int | None = None
    flows: int | None = None
    unplaced: int | None = None
    retired: int | None = None
    flips: int | None = None
    #: The number of the run that this one reverts.
    reverts: int | None = None
    left_alone: int | None = None
    because: str = ""
    #: A person approved it.
    approved: bool = False
    #: The source's fingerprint was the same, so the source was not read.
    not_pulled: bool = False
    warnings: tuple[str, ...] = ()
    reasons: tuple[GuardReason, ...] = ()

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any] | None) -> Self:
        """Read the stored form; keys of other versions are ignored."""
        known = dict(_known(cls, stored or {}))
        lists = {"warnings": tuple(known.get("warnings", ())), "reasons": unpacked(known.get("reasons", ()))}
        return cls(**known | lists)

    def stored(self) -> dict[str, Any]:
        """Return the stored form. A count of 0 is kept; flags, texts and lists are kept where they say something."""
        lists = {"warnings": list(self.warnings), "reasons": packed(self.reasons)}
        values = {field.name: getattr(self, field.name) for field in fields(self)} | lists
        return {_stored_name(name): value for name, value in values.items() if value or type(value) is int}


#: The counts of a run that counts nothing.
NO_COUNTS = RunCounts()


def reverting_in_json(run: int) -> tuple[str, str]:
    """Return two texts; the stored counts of a run that reverts `run` contain one of them."""
    # The stored form is compact JSON, so a comma or a brace follows the number.
    return f'"reverts":{run},', f'"reverts":{run}}}'


#: The stored counts of a run that reverts another contain this text, and those of no other run do.
REVERTS_IN_JSON = '"reverts":'


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """The counts of one batch of decisions."""

    # The rows of a sheet by kind.
    new: int = 0
    same: int = 0
    conflict: int = 0
    blank: int = 0
    wrong: int = 0
    #: The number of rows that were entered.
    entered: int = 0
    # A class review.
    chosen: int = 0
    reviewed: int = 0
    issued: int = 0
    left_out: int = 0

    @classmethod
    def from_rows(cls, kinds: Iterable[str], entered: int) -> Self:
        """Count the rows of a sheet by their kind."""
        counted = dict.fromkeys(_ROW_KINDS, 0)
        for kind in kinds:
            counted[kind] += 1
        return cls(**counted, entered=entered)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Self:
        """Read the stored form; keys of other versions are ignored."""
        return cls(**dict(_known(cls, stored)))

    def stored(self) -> dict[str, int]:
        """Return the stored form: the counts that are not 0, and all counts of a class review."""
        whole = _CLASS_REVIEW if self.chosen else ()
        values = {field.name: int(getattr(self, field.name)) for field in fields(self)}
        return {name: value for name, value in values.items() if value or name in whole}

    @property
    def not_entered(self) -> int:
        """The number of rows of the sheet that were not entered."""
        return self.new + self.same + self.conflict + self.blank + self.wrong - self.entered


_ROW_KINDS = ("new", "same", "conflict", "blank", "wrong")
_CLASS_REVIEW = ("chosen", "reviewed", "issued", "left_out")


def _known(counts: type[RunCounts | BatchCounts], stored: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    names = ((field.name, _stored_name(field.name)) for field in fields(counts))
    return ((name, stored[as_stored]) for name, as_stored in names if as_stored in stored)


def _stored_name(name: str) -> str:
    return _STORED_NAMES.get(name, name)
