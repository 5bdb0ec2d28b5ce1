"""A JSON API, read page by page with HTTP GET; the whole of it, or nothing.

An answer is whole when its records match the total that the system reports, in the body or in a header. That total
must not change while the pages are read. Where the system reports no total, the settings name another proof. Pages
that are read by position are read two times, and a third time where the readings differ: a student that is in one of
the readings, or has different records in them, is not released. An API that answers about one student at a time is
asked about each student on the roster (`per_student`).
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
from connectors.http.pages.proofs import broken_record_warnings, proofs_of, warnings_of
from connectors.http.pages.reader import Pages
from connectors.http.pages.reading import PageQuestion, Reading, UnknownStudent
from connectors.http.paging import NoPaging, may_slip
from connectors.http.records import ASKED_NUMBER, paths, value_at
from connectors.http.refusals import Failing
from connectors.http.rest_settings import Settings
from connectors.http.settings import column_key
from connectors.http.unreached import public_url
from connectors.http.worker_pool import OwnPace, Pause, ask_each
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
from foundation.translation import N_, tr
from status_db.model import digest_of, normalise_number

__all__ = ["OfficeClient", "Rest", "RestByNumber", "Settings", "about_all_or_one", "connect"]

_NO_REFERENCE = N_(
    "No reference is mapped, so a record that moves to another page can be missed: map a column "
    "that identifies a record as columns.reference, or have the system sort its pages."
)

_NO_FINGERPRINT = N_(
    "The system sends no ETag and no settled Last-Modified, so everything is read each time: "
    "leave out fingerprint, or have the office's system send one of them."
)


class Rest:
    """A connector that asks one API one question.

    A ready-made connector can pass `shape`, which converts the body of each answer, and `failing`, which reads the
    system's own errors. With `fresh`, no answer from a cache is accepted, whatever its age.
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
        self._backoff = Backoff()

    def fresh(self) -> Self:
        """Return a connector with the same question that accepts no answer from a cache."""
        return type(self)(self._settings, self._question, self._shape, fresh=True, failing=self._failing)

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """Return every record."""
        with self._open_session() as office:
            fingerprint = self._read_fingerprint(office)
            snapshot = self._pull_pages(office, self._question_for_all(), progress)
        return replace(snapshot, fingerprint=fingerprint.value if fingerprint else None)

    def fingerprint(self) -> Fingerprint | None:
        """Return the ETag or Last-Modified of the answer as a fingerprint; None where the system sends none."""
        with self._open_session() as office:
            return self._read_fingerprint(office)

    def _read_fingerprint(self, office: OfficeClient) -> Fingerprint | None:
        if not self._settings.fingerprint:
            return None
        began, asked = self._question.clock(), self._question_for_all()
        version = office.version(asked.url, asked.params)
        return Fingerprint(digest_of([version.encode()]), began, version) if version else None

    @property
    def one_reads_all(self) -> bool:
        """Return whether the whole answer is read for one student."""
        return not (self._settings.one or self._settings.one_url)

    def pull_one(self, student: str) -> Snapshot:
        """Return one student's records: by `one` and `one_url`, else from the whole answer."""
        with self._open_session() as office:
            return self._pull_pages(office, self._question_for_one(student), no_progress).about(student)

    @contextmanager
    def asking(self, pause: Pause = time.sleep) -> Iterator[Callable[[str], Snapshot]]:
        """Open a session and return a function that asks about one number; `longest` applies to each question.

        The population of an answer is that number; it is empty where the system does not know the number.
        """
        with self._open_session(pause) as office:

            def ask(student: str) -> Snapshot:
                office.begin()
                began = self._question.clock()
                try:
                    return replace(
                        self._pull_pages(office, self._question_for_one(student), no_progress), population=[student]
                    )
                except UnknownStudent:
                    return self._empty_snapshot(began)

            yield ask

    def check(self) -> Sample:
        """Log in, read the whole first page, and ask about one of its students where the API allows it."""
        return self.check_with_rows()[0]

    def check_one(self, student: str) -> Sample:
        """Log in, and read the first page about one student."""
        with self._open_session() as office:
            return self._check_first_page(office, self._question_for_one(student))[0]

    def check_with_rows(self) -> tuple[Sample, Sequence[tuple[Cell, ...]]]:
        """Return what `check` shows, with the rows of the first page."""
        with self._open_session() as office:
            sample, rows = self._check_first_page(office, self._question_for_all())
            warnings = self._check_question_for_one(office, rows)
        return replace(sample, warnings=(*sample.warnings, *warnings)), rows

    def _check_first_page(self, office: OfficeClient, asked: PageQuestion) -> tuple[Sample, list[tuple[Cell, ...]]]:
        try:
            records, reading = self._pages.first(office, asked)
        except UnknownStudent:
            return Sample(self._shown_url, tuple(self._question.columns.values()), None), []
        offered = dict.fromkeys(path for record in records for path in paths(record))
        columns = tuple(offered) or tuple(self._question.columns.values())
        row = dict(zip(self._question.columns, reading.rows[0], strict=True)) if records else None
        warnings = tuple(
            self._settings.fix(
                tr(
                    '"{path}" is in no record of the first page, and {name} is optional: check that {{column}} is '
                    "spelled as the system spells it.",
                    path=path,
                    name=name,
                ),
                column_key(name, path),
                otherwise=tr(
                    '"{path}" is in no record of the first page, and {name} is optional: have the office check that '
                    "the account is allowed to read it.",
                    path=path,
                    name=name,
                ),
            )
            for name, path in self._question.columns.items()
            if records and name in self._settings.optional and all(value_at(r, path) is MISSING for r in records)
        )
        if self._settings.fingerprint and self._read_fingerprint(office) is None:
            warnings += (tr(_NO_FINGERPRINT),)
        if "reference" not in self._question.columns and not isinstance(self._settings.paging, NoPaging):
            warnings += (tr(_NO_REFERENCE),)
        warnings += broken_record_warnings(reading.broken)
        whole = len(reading.rows) == reading.total or not records
        return Sample(self._shown_url, columns, row, warnings, rows=reading.rows, whole=whole), reading.rows

    def _check_question_for_one(self, office: OfficeClient, rows: Sequence[tuple[Cell, ...]]) -> tuple[str, ...]:
        """Ask about one student of the first page, and warn where the answer lacks records of the page."""
        about = self._pages.about
        numbers = [normalise_number(row[about]) for row in rows if row[about] not in (None, "")]
        if not (self._settings.one or self._settings.one_url) or not numbers:
            return ()
        keys = tr(" and ").join(key for key in ("one", "one_url") if getattr(self._settings, key))
        table = table_of(self._question.source)
        fix = tr(
            "No recheck of a student counts until this is corrected. Correct {keys} in {table}.", keys=keys, table=table
        )
        theirs = [row for row in rows if row[about] not in (None, "") and normalise_number(row[about]) == numbers[0]]
        try:
            answer = self._pull_pages(office, self._question_for_one(numbers[0]), no_progress).rows
        except UnknownStudent:
            answer = []
        except SourceError as error:
            return (tr("A question about one student of the list fails: {what}. {fix}", what=error.what, fix=fix),)
        missing = [row for row in theirs if row not in answer]
        if not missing:
            return ()
        return (
            tr(
                "The answer about one student of the list lacks {missing} of the {theirs} records that the list has "
                "about that student. {fix}",
                missing=len(missing),
                theirs=len(theirs),
                fix=fix,
            ),
        )

    @contextmanager
    def _open_session(self, pause: Pause = time.sleep) -> Iterator[OfficeClient]:
        """Open a session; all open sessions wait when the system asks one of them to wait."""
        with self._lock:
            if not self._sessions:
                self._backoff = Backoff()
            self._sessions += 1
            quiet = self._backoff
        try:
            source, clock = self._question.source, self._question.clock
            with OfficeClient(self._settings, source, clock, pause, quiet, self._failing) as office:
                yield office
        finally:
            with self._lock:
                self._sessions -= 1

    def _question_for_all(self) -> PageQuestion:
        return PageQuestion(self._settings.url, self._settings.params)

    def _question_for_one(self, student: str) -> PageQuestion:
        settings = self._settings
        url = settings.one_url.replace(ASKED_NUMBER, quote(student, safe="")) or settings.url
        own = {name: text.replace(ASKED_NUMBER, student) for name, text in settings.one.items()}
        return PageQuestion(url, {**settings.params, **own}, student)

    def _pull_pages(self, office: OfficeClient, asked: PageQuestion, progress: Progress) -> Snapshot:
        """Read all pages until it is sure who is missing: one, two or three times."""
        began = self._question.clock()
        abandoned: list[list[tuple[Cell, ...]]] = []
        readings = [self._pages.read(office, asked, progress, abandoned)]
        second_pass = "second_pass" in self._settings.proofs
        by_tag = False
        if second_pass or (readings[0].pages > 1 and may_slip(self._settings.paging)):
            if by_tag := self._pages.reads_the_same(office, readings[0]):
                readings.append(readings[0])
            while len(readings) < MOST_READINGS and (
                len(readings) == 1 or not agree(readings[-1].rows, readings[-2].rows)
            ):
                readings.append(self._pages.read(office, asked, no_progress, abandoned))
            self._refuse_disorder(readings)
        return self._snapshot(readings, abandoned, began, by_tag=by_tag)

    def _refuse_disorder(self, readings: Sequence[Reading]) -> None:
        named, sizes = self._message_prefix, tr(" and ").join(str(len(reading.rows)) for reading in readings)
        if keep_no_order([reading.rows for reading in readings]):
            raise SourceGarbled(
                tr(
                    "{named}: {readings} readings returned different records ({sizes}), more than can "
                    "change in that time",
                    named=named,
                    readings=len(readings),
                    sizes=sizes,
                ),
                self._settings.fix(
                    tr(
                        "The system does not keep an order between its pages: add a sort order by an identifier to "
                        "params, page by key, or ask for everything on one page."
                    ),
                    "params",
                    "paging",
                    otherwise=self._settings.fix(
                        tr(
                            "The system does not keep an order between its pages: add a sort order by an identifier to "
                            "{params}, or raise per_page until everything is on one page."
                        ),
                        "params",
                        otherwise=tr(
                            "The system does not keep an order between its pages: raise per_page until everything "
                            "is on one page, or ask at a quieter hour."
                        ),
                    ),
                ),
            )
        if "second_pass" in self._settings.proofs and not agree(readings[-1].rows, readings[-2].rows):
            raise SourceGarbled(
                tr(
                    "{named}: {readings} readings returned different records ({sizes})",
                    named=named,
                    readings=len(readings),
                    sizes=sizes,
                ),
                self._settings.fix(
                    tr(
                        "The data change while they are read, or the system does not keep an order: add a sort order "
                        "to {params}, ask at a quieter hour, or have the office report a total."
                    ),
                    "params",
                ),
            )

    def _empty_snapshot(self, began: datetime) -> Snapshot:
        proofs = (
            Proof(ProofKind.END_REACHED, tr("the system does not know the number")),
            Proof(ProofKind.COLUMNS_PRESENT, tr("no record, so no column to check")),
        )
        return Snapshot(tuple(self._question.columns), [], began, self._question.clock(), proofs, [])

    @property
    def _shown_url(self) -> str:
        return public_url(self._settings.url or self._settings.one_url)

    @property
    def _message_prefix(self) -> str:
        return tr("{source}: {where}", source=self._question.source, where=self._shown_url)

    def _snapshot(
        self,
        readings: Sequence[Reading],
        abandoned: Sequence[Sequence[tuple[Cell, ...]]],
        began: datetime,
        *,
        by_tag: bool,
    ) -> Snapshot:
        reading = readings[-1]
        whole = united([each.rows for each in readings], abandoned, self._pages.about)
        each_once = [self._pages.shows_each_page(each) for each in readings]
        return Snapshot(
            tuple(self._question.columns),
            whole.rows if len(readings) > 1 else reading.rows,
            began - timedelta(seconds=max(each.oldest for each in readings)),
            self._question.clock(),
            proofs_of(readings, whole.rows, self._settings, self._question.columns, each_once, by_tag=by_tag),
            unsettled=tuple(whole.unsettled),
            warnings=warnings_of(readings, len(whole.unsettled)),
        )


class RestByNumber(Rest):
    """A connector to an API that also answers about one student at a time, by `one` or `one_url`."""

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        """Return the records about these numbers, each asked separately and never answered from a cache.

        The snapshot has no population. Raises as `pull` does.
        """
        began, settings = self._question.clock(), self._settings
        limits = settings.per_student or OwnPace()
        answers = ask_each(numbers, self.fresh().asking, limits, self._question.source, progress)
        whole = about_these(self._question, [answer.about(number) for number, answer in answers.items()], began)
        return replace(whole, population=None)


def about_all_or_one(settings: Settings, question: Question) -> Rest:
    """Return the connector to this API; with `pull_these` where the API answers about one student."""
    return (RestByNumber if settings.one or settings.one_url else Rest)(settings, question)


def connect(settings: Settings, question: Question) -> Connector:
    """Return the connector; it opens nothing yet."""
    if settings.per_student is None:
        return about_all_or_one(settings, question)
    return EachStudent(Rest(settings, question), settings.per_student, question)
