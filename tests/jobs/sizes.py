"""What a run with faults consists of: its sizes, its settings, and the journal of what was acknowledged."""

from collections import Counter
from dataclasses import dataclass, field

CLUSTER = """
[cluster]
enabled = true
dead_after = "6 s"
queue_schema = "clearance_queue"
[schedule]
stop_within = "10 s"
"""

SOURCE = """
[source.s{number}]
step = "library"
connector = "sql"
url = "sqlite:///library{number}.db"
query = "SELECT number, title FROM loans"
means = "items"
obligation = "loan"
first = "apply"
every = "{every} s"
columns = {{ student = "number", title = "title", reference = "title" }}
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much runs, and for how long."""

    institutions: int = 20
    sources: int = 5
    schedules: int = 3
    workers: int = 4
    portals: int = 2
    desks: int = 2
    #: Seconds between the slots of a source, and how many slots must have an answer after the faults.
    every: int = 60
    slots: int = 2
    minutes: float = 10.0
    seed: int = 1


@dataclass(slots=True)
class Journal:
    """What was acknowledged, kept outside of the installation."""

    #: Institution → the notes of its decisions, by the command and on the pages of the desk.
    decided: dict[str, list[str]] = field(default_factory=dict)
    #: Institution → the numbers of the rechecks that were accepted.
    rechecks: dict[str, set[int]] = field(default_factory=dict)
    #: Processes that ended and were not killed, with their last lines.
    ended: list[str] = field(default_factory=list)
    #: What was done to it.
    faults: Counter[str] = field(default_factory=Counter)
