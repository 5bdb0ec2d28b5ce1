"""A JSON API, asked page by page over HTTP with GET; all of it, or nothing.

An answer shows that it is whole by the total that the system itself tells, in the body or in a header, and that total
may not move while the pages are read. Where no total is told, the settings name what else is to count as proof. Pages
that are read by their position are read twice, or three times where they differ: nobody is released who is in one of
the readings, or whose records differ between them. An API that answers about one student at a time only is asked about
each student of the roster (`per_student`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Self
from urllib.parse import quote

from connectors.by_student.each_student import EachStudent, about_these
from connectors.http.answers import MISSING
from connectors.http.backoff import Backoff
from connectors.http.client import OfficeClient
from connectors.http.pages.agreement import MOST_READINGS, agree, keep_no_order, united
from connectors.http.pages.reader import Pages
from connectors.http.pages.reading import PageQuestion, Reading, UnknownStudent
from connectors.http.paging import NoPaging, may_slip
from connectors.http.records import ASKED_NUMBER, found, paths
from connectors.http.refusals import Failing
from connectors.http.rest_settings import Settings
from connectors.http.settings import column_key
from connectors.http.unreached import shown
from connectors.http.worker_pool import OwnPace, Pause, walk
from connectors.port import (
    Cell,
    Connector,
    Fingerprint,
    Progress,
    Proof,
    ProofKind,
    Question,
    Sample,
    Snapshot,
    SourceError,
    SourceGarbled,
    no_progress,
    table_of,
)
from status_db.model import digest_of, normalise_number

__all__ = ["OfficeClient", "Rest", "RestByNumber", "Settings", "about_all_or_one", "connect"]

_NO_REFERENCE = (
    "No reference is mapped, so a record that slips from one page to another may not be seen: map what tells two "
    "records apart as columns.reference, or see that the system sorts its pages."
)

_NO_FINGERPRINT = (
    "The system tells no ETag, and no Last-Modified older than a moment, so everything is read each time: leave out "
    "fingerprint, or have the office's system tell one."
)

#: So many places of broken letters are kept with a run; the others are counted.
_PLACES = 10


class Rest:
    """Asks one API one question.

    A ready-made connector may hand in `shape`: it is given the body of each answer, and returns the one to be read;
    and `failing`, which reads the system's own errors. With `fresh` no answer out of a cache is taken, however young.
    """

    def __init__(
        self,
        settings: Settings,
        question: Question,
        shape: Callable[[Any], Any] | None = None,
        *,
        fresh: bool = False,
        failing: Failing | None = None,
    ) -> None:
        self._failing = failing
        self._settings = settings
        self._question = question
        self._shape = shape
        self._pages = Pages(settings, question, shape, fresh=fresh)
        self._lock = Lock()
        self._sessions = 0
        self._quiet = Backoff()

    def fresh(self) -> Self:
        """Return one that asks the same and takes no answer out of a cache."""
        return type(self)(self._settings, self._question, self._shape, fresh=True, failing=self._failing)

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every record."""
        with self._office() as office:
            told = self._told(office)
            snapshot = self._pulled(office, self._everybody(), progress)
        return replace(snapshot, fingerprint=told.value if told else None)

    def fingerprint(self) -> Fingerprint | None:
        """Return the system's own word on whether its answer is another one; None where it tells none."""
        with self._office() as office:
            return self._told(office)

    def _told(self, office: OfficeClient) -> Fingerprint | None:
        if not self._settings.fingerprint:
            return None
        began, asked = self._question.clock(), self._everybody()
        told = office.version(asked.url, asked.params)
        return Fingerprint(digest_of([told.encode()]), began, told) if told else None

    @property
    def one_reads_all(self) -> bool:
        """Say whether one student's records are kept out of the whole answer."""
        return not (self._settings.one or self._settings.one_url)

    def pull_one(self, student: str) -> Snapshot:
        """Return the records about one student: by `one` and `one_url`, else by reading all and keeping theirs."""
        with self._office() as office:
            return self._pulled(office, self._one(student), no_progress).about(student)

    @contextmanager
    def asking(self, pause: Pause = time.sleep) -> Iterator[Callable[[str], Snapshot]]:
        """Open what asks about one number after the other, over one session; `longest` holds for each.

        The population of an answer is that number, or nobody where the system does not know it.
        """
        with self._office(pause) as office:

            def ask(student: str) -> Snapshot:
                office.begin()
                began = self._question.clock()
                try:
                    return replace(self._pulled(office, self._one(student), no_progress), population=[student])
                except UnknownStudent:
                    return self._nobody(began)

            yield ask

    def check(self) -> Sample:
        """Log in, look at the whole first page, and ask about one of its students alone where that can be done."""
        return self.look()[0]

    def check_one(self, student: str) -> Sample:
        """Log in, and look at the first page about one student."""
        with self._office() as office:
            return self._looked_at(office, self._one(student))[0]

    def look(self) -> tuple[Sample, Sequence[tuple[Cell, ...]]]:
        """Return what `check` shows, with the rows of the first page."""
        with self._office() as office:
            sample, rows = self._looked_at(office, self._everybody())
            warnings = self._one_tried(office, rows)
        return replace(sample, warnings=(*sample.warnings, *warnings)), rows

    def _looked_at(self, office: OfficeClient, asked: PageQuestion) -> tuple[Sample, list[tuple[Cell, ...]]]:
        try:
            records, reading = self._pages.first(office, asked)
        except UnknownStudent:
            return Sample(self._where, tuple(self._question.columns.values()), None), []
        offered = dict.fromkeys(path for record in records for path in paths(record))
        columns = tuple(offered) or tuple(self._question.columns.values())
        row = dict(zip(self._question.columns, reading.rows[0], strict=True)) if records else None
        warnings = tuple(
            f'"{path}" is in no record of the first page, and {name} may be left out: '
            + self._settings.fix(
                "look whether {column} is written as the system writes it.",
                column_key(name, path),
                otherwise="have the office check whether the account may read it.",
            )
            for name, path in self._question.columns.items()
            if records and name in self._settings.optional and all(found(r, path) is MISSING for r in records)
        )
        if self._settings.fingerprint and self._told(office) is None:
            warnings += (_NO_FINGERPRINT,)
        if "reference" not in self._question.columns and not isinstance(self._settings.paging, NoPaging):
            warnings += (_NO_REFERENCE,)
        warnings += _of_broken(reading.broken)
        whole = len(reading.rows) == reading.total
        return Sample(self._where, columns, row, warnings, rows=reading.rows, whole=whole), reading.rows

    def _one_tried(self, office: OfficeClient, rows: Sequence[tuple[Cell, ...]]) -> tuple[str, ...]:
        """Ask about a student of the first page alone, and warn where that does not bring what the page has."""
        about = self._pages.about
        numbers = [normalise_number(row[about]) for row in rows if row[about] not in (None, "")]
        if not (self._settings.one or self._settings.one_url) or not numbers:
            return ()
        keys = " and ".join(key for key in ("one", "one_url") if getattr(self._settings, key))
        fix = f"Correct {keys} in {table_of(self._question.source)}; until then no recheck of a student counts."
        theirs = [row for row in rows if row[about] not in (None, "") and normalise_number(row[about]) == numbers[0]]
        try:
            answer = self._pulled(office, self._one(numbers[0]), no_progress).rows
        except UnknownStudent:
            answer = []
        except SourceError as error:
            return (f"Asked about one student of the list by one, it fails: {error.what}. {fix}",)
        missing = [row for row in theirs if row not in answer]
        if not missing:
            return ()
        what = f"{len(missing)} of the {len(theirs)} records that the list has about that student"
        return (f"Asked about one student of the list by one, it leaves out {what}. {fix}",)

    @contextmanager
    def _office(self, pause: Pause = time.sleep) -> Iterator[OfficeClient]:
        """Open a session; all that are open at the same time wait where the system asks one of them to."""
        with self._lock:
            if not self._sessions:
                self._quiet = Backoff()
            self._sessions += 1
            quiet = self._quiet
        try:
            source, clock = self._question.source, self._question.clock
            with OfficeClient(self._settings, source, clock, pause, quiet, self._failing) as office:
                yield office
        finally:
            with self._lock:
                self._sessions -= 1

    def _everybody(self) -> PageQuestion:
        return PageQuestion(self._settings.url, self._settings.params)

    def _one(self, student: str) -> PageQuestion:
        settings = self._settings
        url = settings.one_url.replace(ASKED_NUMBER, quote(student, safe="")) or settings.url
        own = {name: text.replace(ASKED_NUMBER, student) for name, text in settings.one.items()}
        return PageQuestion(url, {**settings.params, **own}, student)

    def _pulled(self, office: OfficeClient, asked: PageQuestion, progress: Progress) -> Snapshot:
        """Read until it need not be doubted who is missing: once, twice, or three times."""
        began = self._question.clock()
        abandoned: list[list[tuple[Cell, ...]]] = []
        readings = [self._pages.read(office, asked, progress, abandoned)]
        twice = "second_pass" in self._settings.proofs
        by_tag = False
        if twice or (readings[0].pages > 1 and may_slip(self._settings.paging)):
            if by_tag := self._pages.reads_the_same(office, readings[0]):
                readings.append(readings[0])
            while len(readings) < MOST_READINGS and (
                len(readings) == 1 or not agree(readings[-1].rows, readings[-2].rows)
            ):
                readings.append(self._pages.read(office, asked, no_progress, abandoned))
            self._refuse_disorder(readings)
        return self._snapshot(readings, abandoned, began, by_tag=by_tag)

    def _refuse_disorder(self, readings: Sequence[Reading]) -> None:
        sizes = " and ".join(str(len(reading.rows)) for reading in readings)
        if keep_no_order([reading.rows for reading in readings]):
            raise SourceGarbled(
                f"{self._named}: {len(readings)} readings brought different records ({sizes}), more of them than "
                "change in that time",
                self._settings.fix(
                    "It keeps no order between its pages: add a sort order by what tells records apart to params, page "
                    "by key, or ask for everything on one page.",
                    "params",
                    "paging",
                    otherwise=self._settings.fix(
                        "It keeps no order between its pages: add a sort order by what tells records apart to {params}"
                        ", or raise per_page until everything is on one page.",
                        "params",
                        otherwise="It keeps no order between its pages: raise per_page until everything is on one "
                        "page, or ask at a quieter hour.",
                    ),
                ),
            )
        if "second_pass" in self._settings.proofs and not agree(readings[-1].rows, readings[-2].rows):
            raise SourceGarbled(
                f"{self._named}: {len(readings)} readings brought different records ({sizes})",
                self._settings.fix(
                    "It changes while it is read, or keeps no order: add a sort order to {params}, ask at a quieter "
                    "hour, or have the office tell a total.",
                    "params",
                ),
            )

    def _nobody(self, began: datetime) -> Snapshot:
        proofs = (
            Proof(ProofKind.END_REACHED, "the system does not know the number"),
            Proof(ProofKind.COLUMNS_PRESENT, self._present([])),
        )
        return Snapshot(tuple(self._question.columns), [], began, self._question.clock(), proofs, [])

    @property
    def _where(self) -> str:
        return shown(self._settings.url or self._settings.one_url)

    @property
    def _named(self) -> str:
        return f"{self._question.source}: {self._where}"

    def _snapshot(
        self,
        readings: Sequence[Reading],
        abandoned: Sequence[Sequence[tuple[Cell, ...]]],
        began: datetime,
        *,
        by_tag: bool,
    ) -> Snapshot:
        reading, settings = readings[-1], self._settings
        count, pages = len(reading.rows), f"{reading.pages} page{'s' if reading.pages != 1 else ''}"
        whole = united([each.rows for each in readings], abandoned, self._pages.about)
        proofs = [
            Proof(ProofKind.LIMIT_NOT_HIT, f"{count} rows of at most {settings.limit}"),
            Proof(ProofKind.COLUMNS_PRESENT, self._present(whole.rows)),
        ]
        if not reading.broken:
            proofs.append(Proof(ProofKind.CHARSET_SANE, f"{count} rows decoded, no replacement character"))
        each_once = [self._pages.shows_each_page(each) for each in readings]
        if all(each_once):
            proofs.append(Proof(ProofKind.NO_PAGE_LOST, f"{pages}, {each_once[-1]}"))
        if reading.total is not None:
            proofs.append(Proof(ProofKind.TOTAL_AGREES, f"{pages}, {count} of {reading.total} rows"))
        if len(readings) > 1 and agree(reading.rows, readings[-2].rows):
            how = ", by the ETag of each page" if by_tag else ""
            proofs.append(Proof(ProofKind.SECOND_PASS_AGREES, f"{pages}, {count} rows, the same twice{how}"))
        if reading.last is not None:
            proofs.append(
                Proof(ProofKind.END_REACHED, f"{pages}, up to page {reading.last}, which is told as the last")
            )
        elif "end_of_pages" in settings.proofs:
            proofs.append(Proof(ProofKind.END_REACHED, f"{pages}, {count} rows up to the end of paging"))
        if "one_answer" in settings.proofs:
            proofs.append(Proof(ProofKind.END_REACHED, f"one answer, {count} rows, taken for all about one student"))
        oldest = max(each.oldest for each in readings)
        warnings = list(_of_broken(reading.broken))
        if oldest:
            warnings.append(f"It was answered out of a cache, {oldest:.0f} s old: what it shows counts from then on.")
        if whole.unsettled:
            warnings.append(
                f"It changed while its pages were read {len(readings)} times; the records of {len(whole.unsettled)} "
                "students differ between the readings, and none of them is released by this answer."
            )
        return Snapshot(
            tuple(self._question.columns),
            whole.rows if len(readings) > 1 else reading.rows,
            began - timedelta(seconds=oldest),
            self._question.clock(),
            tuple(proofs),
            unsettled=tuple(whole.unsettled),
            warnings=tuple(warnings),
        )

    def _present(self, rows: Sequence[tuple[Cell, ...]]) -> str:
        if not rows:
            return "no record came, so there was none to look at"
        names = ", ".join(
            path
            for name, path in self._question.columns.items()
            if name not in self._settings.optional and path != ASKED_NUMBER
        )
        return f"{names} in each of {len(rows)} rows"


class RestByNumber(Rest):
    """Asks an API that can also be asked about one student at a time, by `one` or `one_url`."""

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return what it says now about these numbers, each asked about alone and never out of a cache.

        It names no population. Raises as `pull` does.
        """
        began, settings = self._question.clock(), self._settings
        limits = settings.per_student or OwnPace()
        answers = walk(numbers, self.fresh().asking, limits, self._question.source, progress)
        whole = about_these(self._question, [answer.about(number) for number, answer in answers.items()], began)
        return replace(whole, population=None)


def _of_broken(places: Sequence[str]) -> tuple[str, ...]:
    """Return the first places of broken letters, and how many there are besides."""
    more = len(places) - _PLACES
    return (*places[:_PLACES], *([f"{more} more records hold letters that cannot be read."] if more > 0 else []))


def about_all_or_one(settings: Settings, question: Question) -> Rest:
    """Return what asks this API; with `pull_these` where it can be asked about one student."""
    return (RestByNumber if settings.one or settings.one_url else Rest)(settings, question)


def connect(settings: Settings, question: Question) -> Connector:
    """Return the connector; it opens nothing yet."""
    if settings.per_student is None:
        return about_all_or_one(settings, question)
    return EachStudent(Rest(settings, question), settings.per_student, question)
