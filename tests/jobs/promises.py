"""What must be so after a run with faults, read from what is stored. Each check names what is broken."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.jobs.sizes import Journal, Sizes
from tests.services.institutions import STUDENT, Installation

#: Runs that only a schedule begins: each has a slot, unless it was taken over by another run of the same slot.
_TWICE = (
    "SELECT source, slot, count(*) FROM {schema}.run WHERE slot IS NOT NULL GROUP BY cohort, source, slot "
    "HAVING count(*) > 1"
)
_BESIDE = (
    "SELECT run, source FROM {schema}.run WHERE slot IS NULL AND by = 'schedule' AND source LIKE 's_' "
    "AND state IN ('applied', 'unchanged')"
)

#: A run that has lost its lease writes nothing: what is written names a run that was applied.
_FENCED = (
    "SELECT run, source, state FROM {schema}.run AS run WHERE state NOT IN ('applied', 'unchanged') AND ("
    "EXISTS (SELECT FROM {schema}.ledger AS link WHERE link.kind = 'run' AND link.run = run.run) "
    "OR EXISTS (SELECT FROM {schema}.flip AS flip WHERE flip.run = run.run) "
    "OR EXISTS (SELECT FROM {schema}.record AS record WHERE record.run = run.run))"
)

#: A recheck that was carried out has a run of its own, from when it was requested until it was served.
_NOT_RUN = (
    "SELECT request FROM {schema}.request AS asked WHERE outcome = 'done' AND kind = 'recheck' AND NOT EXISTS ("
    "SELECT FROM {schema}.run AS run WHERE run.source = asked.source AND run.student = asked.student "
    "AND run.began BETWEEN asked.at AND asked.served_at)"
)


def office_file(installation: Installation, key: str, number: int) -> Path:
    """Return the database of an office."""
    return installation.folder / key / f"library{number}.db"


class Promises:
    """Reads what is stored. Every process has ended."""

    def __init__(self, installation: Installation, sizes: Sizes, journal: Journal) -> None:
        self._all = installation
        self._sizes = sizes
        self._journal = journal

    def broken(self, key: str, since: datetime | None = None) -> list[str]:
        """Return what is wrong at an institution; an empty list is the promise.

        `since` is when the faults had ended: from then on, no slot is left out.
        """
        wrong = list(self._left_out(key, since)) if since is not None else []
        wrong += self._runs(key)
        wrong += self._marks(key)
        wrong += self._acknowledged(key)
        ended = self._all.ended("--institution", key, "verify")
        wrong += [f"verify: {ended.out}{ended.err}"] if ended.code else []
        return [f"{key}: {words}" for words in wrong]

    def slots(self, key: str, since: datetime) -> dict[str, list[datetime]]:
        """Return the slots after a time with an answer, by source."""
        found: dict[str, list[datetime]] = {}
        query = (
            "SELECT source, slot FROM {schema}.run WHERE slot > :at AND source LIKE 's_' "
            "AND state IN ('applied', 'unchanged') ORDER BY slot"
        )
        for source, slot in self._ask(key, query, at=since):
            found.setdefault(source, []).append(slot)
        return found

    def waiting(self, key: str) -> int:
        """Return how many requests wait."""
        ((count,),) = self._ask(key, "SELECT count(*) FROM {schema}.request WHERE served_at IS NULL")
        return int(count)

    def states(self, key: str) -> Counter[str]:
        """Return how many runs ended in each state."""
        return Counter(dict(self._ask(key, "SELECT state, count(*) FROM {schema}.run GROUP BY state")))

    def _left_out(self, key: str, since: datetime) -> Iterator[str]:
        every = timedelta(seconds=self._sizes.every)
        for source, slots in self.slots(key, since).items():
            yield from (f"{source} left out the slot after {a}" for a, b in pairwise(slots) if b - a != every)

    def _runs(self, key: str) -> Iterator[str]:
        under_way = self._ask(key, "SELECT run, source FROM {schema}.run WHERE state = 'running'")
        yield from (f"run {run} of {source} is under way for ever" for run, source in under_way)
        twice = self._ask(key, _TWICE)
        yield from (f"{source} ran {count} times in the slot {slot}" for source, slot, count in twice)
        beside = self._ask(key, _BESIDE)
        yield from (f"run {run} of {source} was applied beside the run of its slot" for run, source in beside)
        fenced = self._ask(key, _FENCED)
        yield from (f"run {run} of {source} is {state}, and has written" for run, source, state in fenced)

    def _acknowledged(self, key: str) -> Iterator[str]:
        noted = {one["note"] for one in json.loads(self._all.run(key, "override", "list", STUDENT, "--json"))}
        decided = self._journal.decided.get(key, [])
        yield from (f"lost the decision {note}" for note in decided if note not in noted)
        query = "SELECT request FROM {schema}.request WHERE served_at IS NOT NULL"
        served = {number for (number,) in self._ask(key, query)}
        rechecks = self._journal.rechecks.get(key, set())
        yield from (f"lost the recheck {number}" for number in sorted(rechecks - served))
        not_run = self._ask(key, _NOT_RUN)
        yield from (f"the recheck {number} is marked as done, and no run did it" for (number,) in not_run)

    def _marks(self, key: str) -> Iterator[str]:
        owes = False
        for number in range(1, self._sizes.sources + 1):
            with closing(sqlite3.connect(office_file(self._all, key, number))) as office:
                has = {title for (title,) in office.execute("SELECT title FROM loans")}
            stored = self._ask(key, "SELECT obligations FROM {schema}.record WHERE source = :s", s=f"s{number}")
            shown = {title for (value,) in stored for _, title, *_ in json.loads(value or "[]")}
            owes = owes or bool(has)
            if shown != has:
                yield f"s{number} has {sorted(has)}, and the marks {sorted(shown)}"
        found = self._ask(key, "SELECT verdict FROM {schema}.status WHERE step = 'library'")
        if found != [("held" if owes else "cleared",)]:
            yield f"the finding is {found}, and the student {'owes' if owes else 'owes nothing'}"

    def _ask(self, key: str, query: str, **values: object) -> Sequence[tuple[Any, ...]]:
        """Return the rows of a query. Raises DBAPIError while the server does not respond."""
        engine = create_engine(self._all.url, poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query.format(schema=key)), values)]
