"""The accounts of the demo: its notable students, and the staff of its offices."""

from clearance.demo_university.life import COLLEGE, REVIEWERS, ROOMS
from clearance.services import Program
from demo.offices import SEED
from demo.story import notable
from demo.university import Student
from foundation.translation import N_, tr
from portal.auth.passwords import hash_password
from status_db.accounts.accounts import Act, Grant

#: The password of every account in the demo.
PASSWORD = "graduation-2019"  # noqa: S105 - public, for this machine alone

#: A class of that college.
CLASS = "12151"

_STAFF: tuple[tuple[str, str, tuple[Grant, ...], str], ...] = (
    ("dean", "校领导", (Grant(Act.READ),), N_("reads every college")),
    ("counsellor", "就业辅导员", (Grant(Act.READ, None, {"college": (COLLEGE,)}),), N_("reads one college, {college}")),
    ("teacher", "班主任", (Grant(Act.READ, None, {"class": (CLASS,)}),), N_("reads one class, {class_name}")),
    (
        "librarian",
        "图书馆操作员",
        (Grant(Act.READ, "library"), Grant(Act.DECIDE, "library")),
        N_("decides for the library"),
    ),
    ("cashier", "计财处操作员", (Grant(Act.READ, "finance"), Grant(Act.DECIDE, "finance")), N_("decides for finance")),
    (
        "warden",
        "宿管中心操作员",
        (Grant(Act.READ, "dorm"), Grant(Act.DECIDE, "dorm")),
        N_("decides for the dormitories"),
    ),
    (
        "college",
        "学院资料室",
        (
            Grant(Act.READ, "college_items", {"college": (COLLEGE,)}),
            Grant(Act.DECIDE, "college_items", {"college": (COLLEGE,)}),
        ),
        N_("decides for the reading room of {college}"),
    ),
    (
        "reviewer",
        "学院终审",
        tuple(Grant(act, None, {"college": (COLLEGE,)}) for act in (Act.READ, Act.REVIEW, Act.ISSUE)),
        N_("reviews {college} and issues certificates"),
    ),
    (
        ROOMS,
        "各学院资料室",
        (Grant(Act.READ, "college_items"), Grant(Act.DECIDE, "college_items")),
        N_("decides for the reading rooms of every college"),
    ),
    (
        REVIEWERS,
        "各学院终审",
        (Grant(Act.READ), Grant(Act.REVIEW), Grant(Act.ISSUE)),
        N_("reviews every college and issues certificates"),
    ),
    ("auditor", "审计员", (Grant(Act.AUDIT),), N_("reads everything, changes nothing")),
    ("admin", "系统管理员", (Grant(Act.MANAGE),), N_("manages sources and runs")),
    ("second", "第二管理员", (Grant(Act.MANAGE),), N_("confirms changes of the other administrator")),
)


def make_accounts(program: Program, through: list[tuple[Student, str]]) -> list[tuple[str, str]]:
    """Create the demo's accounts that are missing; return the purpose of each account."""
    students = (*notable(SEED), *((student.number, student.name, what) for student, what in through))
    wanted: list[tuple[str, str, str | None, tuple[Grant, ...]]] = [(n, name, n, ()) for n, name, _ in students]
    wanted += [(account, name, None, grants) for account, name, grants, _ in _STAFF]
    hashed = ""
    for account, name, student, grants in wanted:
        if program.accounts.find(account) is None:
            hashed = hashed or hash_password(PASSWORD)
            now = program.clock()
            program.accounts.add(account, name, hashed, student=student, grants=grants, now=now, demo=True)
    people = [*students, *((account, name, what) for account, name, _, what in _STAFF)]
    about = {"college": COLLEGE, "class_name": CLASS}
    return [(account, tr("{name}: {purpose}", name=name, purpose=tr(what, **about))) for account, name, what in people]
