"""One measured row: what was done, its floor, and how many times the floor it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of one piece of work in every round: seconds of processor and of clock, and megabytes."""

    cpu: tuple[float, ...]
    wall: tuple[float, ...]
    grown_mb: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a section's table."""

    section: str
    what: str
    floor: str
    #: The most times the floor that is aimed at; None where it is stated only.
    target: float | None
    work: Measured | None = None
    least: Measured | None = None
    #: Why it was not measured.
    skipped: str = ""

    @property
    def ratio(self) -> float:
        """The median of the work's processor time over the median of the floor's."""
        assert self.work is not None
        assert self.least is not None
        return median(self.work.cpu) / median(self.least.cpu)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest ratio over the rounds, each against the median floor."""
        assert self.work is not None
        assert self.least is not None
        floor = median(self.least.cpu)
        return min(self.work.cpu) / floor, max(self.work.cpu) / floor

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON's values, with its ratio."""
        return asdict(self) | ({} if self.skipped else {"ratio": self.ratio, "spread": self.spread})

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> "Row":
        """Return what `as_json` returned."""
        rest: dict[str, Any] = {name: found[name] for name in ("section", "what", "floor", "target", "skipped")}
        return cls(**rest, work=_measured(found["work"]), least=_measured(found["least"]))


def _measured(found: Mapping[str, Sequence[float]] | None) -> Measured | None:
    return None if found is None else Measured(**{name: tuple(values) for name, values in found.items()})
