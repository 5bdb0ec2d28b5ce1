"""For whoever watches over the service: does it answer, and do its databases?"""

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from portal.access.requires import for_anybody
from portal.page.context import Context
from status_db.store.engine import StoreError


async def health_page(context: Context) -> Response:
    """Answer 200 when both databases answer, 503 when one does not; say nothing else to strangers."""
    services = context.services
    parts: dict[str, bool] = {}
    for name, check in (("marks", services.reader.check), ("desk", services.accounts.check)):
        try:
            await services.ask_long(check)
            parts[name] = True
        except StoreError:
            parts[name] = False
    return JSONResponse({"ok": all(parts.values()), **parts}, 200 if all(parts.values()) else 503)


ROUTES = (Route("/healthz", for_anybody(health_page)),)
