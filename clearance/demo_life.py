"""What people at the demo university have done by themselves: a college's first students are through already."""

from clearance.services import Program
from demo.university import Student, students
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict

#: The college whose operator and reviewer were at work.
COLLEGE = "资源学院"

_ITEMS, _REVIEW = "college_items", "final_review"


def lived(program: Program, seed: int) -> list[tuple[Student, str]]:
    """Have one student of the college reviewed, and another leave with a certificate; return both, and what they are.

    They live off campus and owe nothing, so that nothing else is left to do. What has been done is not done again.
    """
    through = [s for s in students(seed) if s.leaving and s.commuter and s.college == COLLEGE and s.level == "本科生"]
    free = [student for student in through if _clear_but_for_the_college(program, student.number)][:2]
    for student in free:
        _review(program, student.number)
    if len(free) < 2:
        return []
    reviewed, issued = free
    if program.reader.certificates(program.cohort, issued.number) == ():
        program.register.issue(Issue(issued.number, "1049120190001", "毕业证"), "reviewer", program.clock())
    return [(reviewed, "may collect the certificate"), (issued, "has the certificate")]


def _clear_but_for_the_college(program: Program, number: str) -> bool:
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
    """Put the demo's announcements on the board, where it is empty: one for everybody, one on the library's card."""
    board, now = program.board, program.clock()
    if board.listed(program.cohort):
        return
    board.announce(
        "请在离校前办完各项手续",
        "先看下面“要办”的几项，其余的不用跑腿。\n全部通过后，这里会写明领证的时间和地点。",
        title_en="Settle everything before you leave",
        body_en="See below what is to be done; for the rest there is nothing to do.\n"
        "Once all is clear, this page tells when and where to collect your certificate.",
        contact="学生工作处 027-6788 0000",
        cohort=program.cohort,
        author="admin",
        now=now,
    )
    board.announce(
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
