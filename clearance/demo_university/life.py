"""What people of the demo university do: reading rooms, reviewers and administrators, and the announcements."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from clearance.services import Program
from demo.story import Life, lives
from demo.university import Student, students
from foundation.translation import N_
from status_db.decisions.batch_rows import ImportRow
from status_db.decisions.batches import BatchKind
from status_db.decisions.certificates import Issue
from status_db.decisions.class_review import ChosenStudent
from status_db.decisions.reviews import seen_by_review
from status_db.decisions.writer import DecisionRequest
from status_db.effective_status import StepStatus
from status_db.model import RunState, StepKind, Verdict, VoteKind
from sync.run.outcome import Outcome

#: The college with the first reviews.
COLLEGE = "资源学院"

_ITEMS, _REVIEW = "college_items", "final_review"

#: The days from which classes are reviewed, and their certificates issued.
_REVIEWS_FROM, _CERTIFICATES_FROM = 4, 9

#: The accounts of the reading rooms and reviewers of all colleges, and of who approves first answers.
ROOMS, REVIEWERS, APPROVER = "rooms", "reviewers", "admin"

_CERTIFICATE = "毕业证书"


@dataclass(frozen=True, slots=True)
class DayOfWork:
    """What the colleges did on one day, in students."""

    cleared: int
    reviewed: int
    issued: int


def approve_waiting(program: Program, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Approve each suspended run as the demo's administrator; return how each ended."""
    ended: list[Outcome] = []
    for outcome in outcomes:
        if outcome.state is RunState.SUSPENDED and outcome.run is not None:
            result = program.approvals.vote(outcome.run, VoteKind.APPROVE, author=APPROVER, now=program.clock())
            ended += [result.outcome] if result.outcome is not None else []
    return ended


def live(program: Program, seed: int, day: int) -> DayOfWork:
    """Do a day's work of the colleges: reading rooms clear students, reviewers review classes, certificates are issued.

    A second call on the same day changes nothing.
    """
    people = {life.student.number: life for life in lives(seed) if life.student.leaving}
    status = program.class_reviews.status_of(list(people), program.clock())
    due = [life for number, life in people.items() if life.reading_room_on <= day and _waits(status.get(number))]
    if due:
        _clear(program, due)
        status = program.class_reviews.status_of(list(people), program.clock())
    reviewed = issued = 0
    if day >= _REVIEWS_FROM:
        serial = {number: index for index, number in enumerate(people, 1)}
        for title, ready in _ready(program, people, status, issues=day >= _CERTIFICATES_FROM):
            numbers = serial if day >= _CERTIFICATES_FROM else {}
            given = _review_class(program, title, ready, numbers)
            reviewed, issued = reviewed + given[0], issued + given[1]
    return DayOfWork(len(due), reviewed, issued)


def _waits(steps: tuple[StepStatus, ...] | None) -> bool:
    return any(one.step == _ITEMS and one.decision is None for one in steps or ())


def _clear(program: Program, due: Iterable[Life]) -> None:
    """Enter the lists of the reading rooms, one for each college."""
    for college, group in groupby(
        sorted(due, key=lambda life: life.student.college), lambda life: life.student.college
    ):
        rows = [
            ImportRow(line, life.student.number, life.student.name, Verdict.CLEARED, "无借阅")
            for line, life in enumerate(group, 2)
        ]
        now = program.clock()
        digest = program.batches.preview(_ITEMS, rows, now).digest
        program.batches.enter_all(BatchKind.IMPORT, _ITEMS, rows, digest, ROOMS, now, title=f"{college}资料室.xlsx")


def _ready(
    program: Program, people: dict[str, Life], status: dict[str, tuple[StepStatus, ...]], *, issues: bool
) -> Iterable[tuple[str, list[tuple[str, StepStatus]]]]:
    """Yield each class with its students that can be reviewed, or be given their certificate."""
    now = program.clock()
    found: dict[str, list[tuple[str, StepStatus]]] = {}
    for number, steps in status.items():
        review = next((one for one in steps if one.kind is StepKind.REVIEW), None)
        if review is None or review.issued or review.waits_for:
            continue
        if issues or not review.counts_as_clear(now):
            found.setdefault(people[number].student.class_name, []).append((number, review))
    yield from sorted(found.items())


def _review_class(
    program: Program, title: str, ready: list[tuple[str, StepStatus]], serial: dict[str, int]
) -> tuple[int, int]:
    """Review the students of a class, and issue the certificates of those with a serial number."""
    reviewed = issued = 0
    for step, group in groupby(sorted(ready, key=lambda each: each[1].step), lambda each: each[1].step):
        chosen = [
            ChosenStudent(number, seen_by_review(review), f"104912019{serial[number]:06d}" if serial else "")
            for number, review in group
        ]
        given = program.class_reviews.give(
            step, chosen, REVIEWERS, program.clock(), title=title, kind=_CERTIFICATE, reason=""
        )
        reviewed, issued = reviewed + len(given.reviews), issued + len(given.certificates)
    return reviewed, issued


def add_first_results(program: Program, seed: int) -> list[tuple[Student, str]]:
    """Review one student of the college, and issue a certificate to another; return both, each with its status.

    They live off campus and owe nothing, so all other steps are clear. A second call changes nothing.
    """
    candidates = [
        s for s in students(seed) if s.leaving and s.commuter and s.college == COLLEGE and s.level == "本科生"
    ]
    ready = [student for student in candidates if _clear_outside_college(program, student.number)][:2]
    for student in ready:
        _review(program, student.number)
    if len(ready) < 2:
        return []
    reviewed, issued = ready
    if program.reader.certificates(program.cohort, issued.number) == ():
        program.register.issue(Issue(issued.number, "104912019900001", _CERTIFICATE), "reviewer", program.clock())
    return [(reviewed, N_("may collect the certificate")), (issued, N_("has the certificate"))]


def _clear_outside_college(program: Program, number: str) -> bool:
    now = program.clock()
    student = program.reader.student(program.cohort, number, now)
    others = [s for s in student.steps if s.step not in (_ITEMS, _REVIEW)] if student is not None else []
    return bool(others) and all(status.counts_as_clear(now) for status in others)


def _review(program: Program, number: str) -> None:
    now = program.clock()
    student = program.reader.student(program.cohort, number, now)
    open_steps = {s.step for s in student.steps if not s.counts_as_clear(now)} if student is not None else set()
    if _ITEMS in open_steps:
        program.overrides.enter(DecisionRequest(number, _ITEMS, Verdict.CLEARED, "无借阅"), "college", now)
    if _REVIEW in open_steps:
        program.reviews.review(DecisionRequest(number, _REVIEW, Verdict.CLEARED, ""), "reviewer", now)


def announce(program: Program) -> None:
    """Add the demo's announcements when there are none: one for all students, one on the library's card."""
    announcements, now = program.announcements, program.clock()
    if announcements.listed(program.cohort):
        return
    announcements.announce(
        "请在离校前办完各项手续",
        "先看下面“要办”的几项，其余的不用跑腿。\n全部通过后，这里会写明领证的时间和地点。",
        title_en="Settle everything before you leave",
        body_en="See below what is to be done; for the rest there is nothing to do.\n"
        "Once all is clear, this page shows when and where to collect your certificate.",
        contact="学生工作处 027-6788 0000",
        cohort=program.cohort,
        author="admin",
        now=now,
    )
    announcements.announce(
        "毕业季还书不用排队",
        "总服务台旁设有还书箱，投入后约 15 分钟这里会更新。遗失图书请到服务台办理赔书。",
        title_en="No queue for returning books",
        body_en="Use the return box beside the desk; this page follows after about 15 minutes. "
        "For a lost book, ask at the desk.",
        cohort=program.cohort,
        step="library",
        author="librarian",
        now=now,
    )
