"""The demo's first reviews, certificate and announcements."""

from clearance.services import Program
from demo.university import Student, students
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict

#: The college with the first reviews.
COLLEGE = "资源学院"

_ITEMS, _REVIEW = "college_items", "final_review"


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
        program.register.issue(Issue(issued.number, "1049120190001", "毕业证"), "reviewer", program.clock())
    return [(reviewed, "may collect the certificate"), (issued, "has the certificate")]


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
