"""For whoever watches over the service: does it answer, and do its databases?"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from portal.page.context import house_of
from status_db.store.engine import StoreError


async def page(request: Request) -> Response:
    """Answer 200 when both databases answer, 503 when one does not; say nothing else to strangers."""
    house = house_of(request)
    parts: dict[str, bool] = {}
    for name, check in (("marks", house.reader.check), ("desk", house.accounts.check)):
        try:
            await house.ask_long(check)
            parts[name] = True
        except StoreError:
            parts[name] = False
    return JSONResponse({"ok": all(parts.values()), **parts}, 200 if all(parts.values()) else 503)


ROUTES = (Route("/healthz", page),)
