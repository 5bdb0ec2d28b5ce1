"""Health checks for monitoring: whether the process lives, and whether it and its databases respond."""

from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from portal.access.requires import for_anybody
from portal.page.context import Context
from status_db.store.engine import StoreError


async def health_check(context: Context) -> Response:
    """Answer 200 if both databases respond, otherwise 503. The page needs no sign-in, so it shows nothing else."""
    services = context.services
    parts: dict[str, bool] = {}
    for name, check in (("marks", services.reader.check), ("desk", services.accounts.check)):
        try:
            await services.ask_long(check)
            parts[name] = True
        except StoreError:
            parts[name] = False
    return JSONResponse({"ok": all(parts.values()), **parts}, 200 if all(parts.values()) else 503)


async def alive(_context: Context) -> Response:
    """Answer 200: this process serves pages. No database is asked, because a restart would not heal one."""
    return PlainTextResponse("ok\n")


ROUTES = (
    Route("/healthz", for_anybody(health_check)),
    Route("/readyz", for_anybody(health_check)),
    Route("/livez", for_anybody(alive)),
)
