"""The second factor: asked for after the password, and set up by whoever has none yet."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.auth import admission, factor, forms
from portal.entrance import for_visitors, safe_next
from portal.house import House, Visitor, see_other
from portal.pages.sign_in import refused
from status_db.audit import Deed


async def form(request: Request, house: House, visitor: Visitor) -> Response:
    """Ask for the six digits, or show a fresh secret to set up."""
    goal = request.query_params.get("next", "/")
    if visitor.narrowed is None:
        return see_other(safe_next(goal))
    return _form(request, house, visitor, goal=goal)


async def check(request: Request, house: House, visitor: Visitor) -> Response:
    """Let in whoever gives digits that nobody has given before."""
    fields = await forms.read(request, house.settings.portal.public_url, visitor.token)
    goal, now = safe_next(fields.get("next", "/")), house.clock()
    account, sealed = visitor.account, visitor.account.second_factor
    if visitor.narrowed is None:
        return see_other(goal)
    fresh = sealed is None
    offered = fields.get("sealed", "").encode() if sealed is None else sealed
    tried = await house.ask_long(house.slowdown.factor, account.account, now)
    if tried.wait:
        return _form(request, house, visitor, goal=goal, offered=offered, wait=tried.wait)
    secret = factor.unseal(house.key, account.account, offered, now if fresh else None)
    if secret is None:
        return _form(request, house, visitor, goal=goal, expired=fresh, broken=not fresh)
    step = factor.step_of(secret, fields.get("digits", ""), now)
    fits = step is not None and (
        await house.ask_long(house.factors.enrol, account.account, offered, step)
        if fresh
        else await house.ask_long(house.factors.use, account.account, step)
    )
    answer = None
    if fits:
        if fresh:
            await house.note(request, Deed.SECOND_FACTOR_SET)
        answer = await admission.admit(request, house, account, goal=goal)
    if answer is None:
        await refused(request, house, account.account, "factor")
        return _form(request, house, visitor, goal=goal, offered=offered, failed=True)
    await house.ask_long(house.slowdown.succeeded, tried)
    return answer


def _form(
    request: Request,
    house: House,
    visitor: Visitor,
    *,
    goal: str,
    offered: bytes = b"",
    failed: bool = False,
    expired: bool = False,
    broken: bool = False,
    wait: timedelta = timedelta(0),
) -> Response:
    account, secret, sealed = visitor.account.account, "", b""
    if visitor.account.second_factor is None:
        # The same secret again while it is being set up: an app that has scanned it need not scan anew.
        now = house.clock()
        secret = factor.unseal(house.key, account, offered, now) or factor.new_secret()
        sealed = factor.seal(house.key, account, secret, now)
    address = factor.address(secret, account, house.settings.institution.name) if secret else ""
    return forms.shown(
        request,
        house,
        "second_factor.html",
        failed=failed,
        expired=expired,
        broken=broken,
        wait=wait,
        goal=safe_next(goal),
        secret=" ".join(secret[at : at + 4] for at in range(0, len(secret), 4)),
        sealed=sealed.decode(),
        picture=factor.picture(address) if secret else "",
    )


ROUTES = (
    Route("/second-factor", for_visitors(form, narrowed="factor"), methods=["GET"]),
    Route("/second-factor", for_visitors(check, narrowed="factor"), methods=["POST"]),
)
