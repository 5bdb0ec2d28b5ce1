"""The classes of a cohort: how many students are clear, reviewed, and have their certificates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from portal.access.reader_context import NONE
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import DeskContext, acts_at, desk_context
from portal.i18n.labels import N_
from portal.page.context import Context, SignedIn
from status_db.accounts.accounts import Act
from status_db.queries.classes import ClassCount, Stage
from status_db.views import Scope

#: Reviewing or issuing gives access to the classes. Each account then does what its own acts allow.
REVIEWING = (Act.REVIEW, Act.ISSUE)

#: The columns of the table, in the order in which a student goes through them.
STAGES: Mapping[Stage, str] = {
    Stage.OPEN: N_("有未办结"),
    Stage.CLEAR: N_("待终审"),
    Stage.REVIEWED: N_("已终审，未发证"),
    Stage.WAITING: N_("证书待领取"),
    Stage.LEFT: N_("已领证"),
}


@dataclass(frozen=True, slots=True)
class ReviewPowers:
    """The scopes for which an account gives this review, and those for which it issues certificates."""

    review: tuple[Scope, ...]
    issue: tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class ClassLine:
    """One class of the cohort."""

    name: str
    college: str
    students: int
    counts: tuple[int, ...]
    morning: str
    sign_off: str
    #: How many can be reviewed.
    ready: int
    #: The parts of the bar from the left: tone, start and width, in hundredths of its length.
    bar: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class ReadyClasses:
    """The classes that have students to review."""

    #: How many students can be reviewed, and in how many classes.
    students: int
    classes: int
    first: tuple[ClassLine, ...]


def ready_classes(at: DeskContext, counted: Sequence[ClassCount], most: int) -> ReadyClasses:
    """Return those of these classes that have students to review; the first ones have the most."""
    ready = [one for one in counted if one.by_stage.get(Stage.CLEAR)]
    ready.sort(key=lambda one: (-one.by_stage[Stage.CLEAR], one.college, one.class_name))
    students = sum(one.by_stage[Stage.CLEAR] for one in ready)
    return ReadyClasses(students, len(ready), tuple(_class_line(at, one) for one in ready[:most]))


async def next_class(context: Context, at: DeskContext) -> ClassLine | None:
    """Return the class that has the most students to review now. None if there is none."""
    counted, _ = await context.ask_long(at.stores.classes.counted, at.step, at.reader.now, at.scopes)
    return next(iter(ready_classes(at, counted, 1).first), None)


def powers(context: SignedIn, at: DeskContext) -> ReviewPowers:
    """Return the account's scopes for review and issue at a step."""
    review = acts_at(context, (Act.REVIEW,)).get(at.step, ())
    return ReviewPowers(review, acts_at(context, (Act.ISSUE,)).get(at.step, ()))


def class_address(at: DeskContext, path: str, college: str, class_name: str) -> str:
    """Return the address of a page about one class. Empty values stay in it."""
    address = at.address(path)
    return f"{address}{'&' if '?' in address else '?'}{urlencode({'college': college, 'class': class_name or NONE})}"


def class_asked(context: Context) -> tuple[str, str]:
    """Return the college and the class in the address."""
    class_name = context.asked("class")
    return context.asked("college"), "" if class_name == NONE else class_name


async def class_list_page(context: SignedIn) -> Response:
    """Show the classes inside the scopes with their counts."""
    at = desk_context(context, REVIEWING)
    counted, fresh = await context.ask_long(at.stores.classes.counted, at.step, at.reader.now, at.scopes)
    college = context.asked("college")
    shown = [one for one in counted if college in ("", one.college)]
    return context.page(
        "desk/classes.html",
        at=at,
        stages=[at.reader.language.gettext(word) for word in STAGES.values()],
        classes=[_class_line(at, one) for one in shown],
        totals=[sum(one.by_stage.get(stage, 0) for one in shown) for stage in STAGES],
        students=sum(one.students for one in shown),
        colleges=sorted({one.college for one in counted}),
        college=college,
        stale=at.before.stale(fresh),
        moment=at.reader.language.moment(at.reader.now, at.reader.now),
        as_of=at.before.as_of(fresh),
    )


def _class_line(at: DeskContext, one: ClassCount) -> ClassLine:
    return ClassLine(
        name=one.class_name or at.reader.language.gettext("未分班"),
        college=one.college,
        students=one.students,
        counts=tuple(one.by_stage.get(stage, 0) for stage in STAGES),
        morning=class_address(at, "/desk/classes/review", one.college, one.class_name),
        sign_off=class_address(at, "/desk/certificates/sign-off", one.college, one.class_name)
        if one.by_stage.get(Stage.WAITING) or one.by_stage.get(Stage.LEFT)
        else "",
        ready=one.by_stage.get(Stage.CLEAR, 0),
        bar=_bar(one),
    )


def _bar(one: ClassCount) -> tuple[tuple[str, str, str], ...]:
    """Return the bar of a class: certificates, reviews, what can be reviewed, and the rest."""
    parts = (
        ("good", one.by_stage.get(Stage.WAITING, 0) + one.by_stage.get(Stage.LEFT, 0)),
        ("wait", one.by_stage.get(Stage.REVIEWED, 0)),
        ("todo", one.by_stage.get(Stage.CLEAR, 0)),
    )
    found, start = [], 0
    for tone, count in parts:
        if count:
            found.append((tone, f"{100 * start / one.students:.2f}", f"{100 * count / one.students:.2f}"))
            start += count
    return tuple(found)


ROUTES = (Route("/desk/classes", for_visitors(class_list_page, *REVIEWING, long=True)),)
