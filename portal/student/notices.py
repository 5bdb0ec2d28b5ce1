"""The announcements of a student's page: those that concern the student, folded once the browser has shown them."""

from collections.abc import Iterable, Sequence

from starlette.responses import Response

from portal.page.context import Context
from portal.present import cards
from portal.present.cards import Note, StepGroup, StepLine
from portal.web.links import cookie_path
from status_db.inbox.announcements import Announcement
from status_db.views import StudentView

#: The cookie with the numbers of the announcements that the browser has shown.
_COOKIE = "read"
_HALF_A_YEAR = 183 * 24 * 3600

#: The most numbers kept; the newest count.
_MOST = 60


def concerning(
    announced: Iterable[Announcement], lines: Sequence[StepLine], student: StudentView
) -> tuple[Announcement, ...]:
    """Return the announcements at the page's foot that concern a student.

    Someone who does not leave reads those for the own category only; someone who has collected the certificate reads
    none, unless something new is to do.
    """
    general = tuple(one for one in announced if one.step is None)
    if not student.active or student.flow is None:
        return tuple(one for one in general if "category" in one.scope)
    collected = student.certificate is not None and student.certificate.collected
    if collected and not any(line.group is StepGroup.TO_DO for line in lines):
        return ()
    return general


def notes(context: Context, announced: Iterable[Announcement]) -> list[Note]:
    """Return announcements as the page shows them: open the first time, folded from then on."""
    read = _read(context)
    return [cards.note(context.language, one, context.now, read=one.announcement in read) for one in announced]


def remember(context: Context, response: Response, announced: Iterable[Announcement]) -> Response:
    """Store in the browser that it has shown these announcements. Return the response."""
    read = _read(context)
    new = [one.announcement for one in announced if one.announcement not in read]
    if new:
        value = ".".join(map(str, sorted({*read, *new})[-_MOST:]))
        secure = context.services.cookie.secure
        response.set_cookie(
            _COOKIE, value, _HALF_A_YEAR, path=cookie_path(), secure=secure, httponly=True, samesite="lax"
        )
    return response


def _read(context: Context) -> frozenset[int]:
    written = context.request.cookies.get(_COOKIE, "")[:1000].split(".")
    return frozenset(int(number) for number in written if number.isascii() and number.isdigit())
