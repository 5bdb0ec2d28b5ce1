"""The page of a student cadre: the names of those of the own class that have not finished, and nothing else."""

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.page.context import SignedIn
from portal.page.own_student import own_view
from status_db.effective.visible import everything
from status_db.queries.lists import Filter, ListSelection, Order

#: The most names that are shown: a class has fewer.
_MOST = 200


async def names(context: SignedIn) -> Response:
    """Show the names. Raises HTTPException 404 for everybody that is no cadre of their own class.

    The page has no number, no step and no reason: a cadre reminds classmates, and learns nothing about them.
    """
    student = await own_view(context)
    if student is None or not student.active or not context.cohort.is_cadre(student.student, student.class_name):
        raise HTTPException(404)
    own_class = {"college": student.college, "class": student.class_name}
    chosen = Filter(ListSelection.NOT_CLEAR, columns=own_class, order=Order.NAME)
    visible = everything(context.settings, context.cohort.key)
    page = await context.ask_long(context.services.lists.leaf, visible, chosen, context.now, _MOST)
    return context.page(
        "classmates.html", class_name=student.class_name, names=[row.name for row in page.rows], more=page.more
    )


ROUTES = (Route("/classmates", for_visitors(names, own=True)),)
