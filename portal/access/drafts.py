"""A form that is sent after the session ended: it is kept, and filled in again once the same account has signed in.

Only a form of this browser is kept, for the account of the session that it belonged to. Passwords and codes are not.
"""

import re
import secrets
from html import escape
from html.parser import HTMLParser
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Route

from portal.access import forms
from portal.auth.sessions import hash_of
from portal.page.context import Context, SignedIn
from portal.web import links
from portal.web.links import cookie_path, is_link, link, see_other
from status_db.inbox.drafts import KEPT, Draft

_COOKIE = "draft"

#: The largest form that is kept, in bytes and fields.
_LONGEST, _MOST = 200_000, 2_000

#: Fields that are never kept.
_SECRET = re.compile(r"password|secret|code|token|digest|credential", re.IGNORECASE)

#: The longest address, as in the table.
_LONGEST_ADDRESS = 1000

#: Types of inputs that are not filled in.
_NOT_FILLED = frozenset({"hidden", "password", "file", "submit", "button"})


async def to_sign_in(context: Context) -> Response:
    """Redirect to sign in, and from there to the page that was asked for. What was in a form is kept."""
    request = context.request
    if request.method in ("GET", "HEAD"):
        return see_other(link("/sign-in", next=_address(request)))
    page = _page_of_form(request)
    response = see_other(link("/sign-in", next=page))
    owner = await context.ask(context.services.accounts.owner_of_session, hash_of(context.token))
    if owner is None:
        return response
    try:
        sent = await forms.read_fields(context, _LONGEST, _MOST)
    except HTTPException:
        # A file, or a form of another site: nothing is kept.
        return response
    kept = {name: values for name, values in sent.items() if not _SECRET.search(name)}
    draft = Draft(owner, page, _address(request), kept)
    if not kept or max(len(page), len(draft.action)) > _LONGEST_ADDRESS:
        return response
    secret = secrets.token_urlsafe(32)
    await context.ask_long(context.services.drafts.keep, secret, draft, context.now)
    response.set_cookie(
        _COOKIE,
        secret,
        int(KEPT.total_seconds()),
        path=cookie_path(),
        secure=context.services.cookie.secure,
        httponly=True,
        samesite="lax",
    )
    return response


async def with_draft(context: SignedIn, response: Response) -> Response:
    """Return the page with the visitor's draft filled into its form. A form that is sent ends its draft."""
    request = context.request
    secret = request.cookies.get(_COOKIE, "")
    if not secret:
        return response
    account, drafts = context.account.account, context.services.drafts
    draft = await context.ask(drafts.find, secret, account, context.now)
    if request.method == "POST":
        if draft is None or _path(draft.action) == link(request.url.path):
            await context.ask_long(drafts.drop, secret)
            response.delete_cookie(_COOKIE, path=cookie_path(), secure=context.services.cookie.secure, httponly=True)
        return response
    page = draft is not None and response.status_code == 200 and isinstance(response, HTMLResponse)
    if draft is None or not page or draft.page != _address(request):
        return response
    note = context.language.gettext("登录已恢复，先前填写的内容都在，请核对后提交。")
    html = filled(bytes(response.body).decode(), draft, note)
    response.body = html.encode()
    response.headers["Content-Length"] = str(len(response.body))
    return response


def filled(html: str, draft: Draft, note: str) -> str:
    """Return a page of ours with the draft in the form that is sent to the same address, and a note above."""
    filler = _Filler(draft, note)
    filler.feed(html)
    filler.close()
    return "".join(filler.parts) if filler.found else html


class _Filler(HTMLParser):
    """Copies a page, and sets the values of one form's fields."""

    def __init__(self, draft: Draft, note: str) -> None:
        super().__init__(convert_charrefs=False)
        self._fields = draft.fields
        self._action = _path(draft.action)
        self._note = f'<p role="status" class="note good">{escape(note)}</p>'
        self._inside = False
        #: The field of the `select` that is open; and whether the text of a `textarea` is left out.
        self._select: list[str] | None = None
        self._skips = False
        self.parts: list[str] = []
        self.found = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Copy a tag, with the draft's value where it is a field of the form."""
        given = dict(attrs)
        if tag == "form":
            self._inside = given.get("method") == "post" and _path(given.get("action") or "") == self._action
            self.found |= self._inside
            if self._inside:
                self.parts.append(self._note)
        values = list(self._fields.get(given.get("name") or "", ()))
        if not self._inside or (tag != "option" and not values):
            box = self._inside and tag == "input" and given.get("type") == "checkbox"
            self._copy(without(given, "checked") if box else None, tag)
        elif tag == "input":
            self._input(given, values)
        elif tag == "textarea":
            self._copy(None, tag)
            self.parts.append("\n" + escape(values[-1], quote=False))
            self._skips = True
        elif tag == "select":
            self._select = values
            self._copy(None, tag)
        elif tag == "option" and self._select is not None:
            rest = without(given, "selected")
            self._copy(rest | ({"selected": None} if given.get("value") in self._select else {}), tag)
        else:
            self._copy(None, tag)

    def _input(self, given: dict[str, str | None], values: list[str]) -> None:
        kind = given.get("type") or "text"
        if kind in ("radio", "checkbox"):
            checked = (given.get("value") or "on") in values
            self._copy(without(given, "checked") | ({"checked": None} if checked else {}), "input")
        elif kind in _NOT_FILLED:
            self._copy(None, "input")
        else:
            self._copy(given | {"value": values[-1]}, "input")

    def _copy(self, attributes: dict[str, str | None] | None, tag: str) -> None:
        if attributes is None:
            self.parts.append(self.get_starttag_text() or "")
            return
        written = "".join(f" {name}" if v is None else f' {name}="{escape(v)}"' for name, v in attributes.items())
        self.parts.append(f"<{tag}{written}>")

    def handle_startendtag(self, _tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        """Copy a tag of a drawing."""
        self.parts.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        """Copy the end of an element."""
        if tag == "form":
            self._inside = False
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._skips = False
        self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        """Copy text."""
        if not self._skips:
            self.parts.append(data)

    def handle_entityref(self, name: str) -> None:
        """Copy a character's name."""
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        """Copy a character's number."""
        self.handle_data(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        """Copy the head of the page."""
        self.parts.append(f"<!{decl}>")


def without(attributes: dict[str, str | None], name: str) -> dict[str, str | None]:
    """Return the attributes of a tag without one of them."""
    return {known: value for known, value in attributes.items() if known != name}


def _address(request: Request) -> str:
    return link(request.url.path) + (f"?{request.url.query}" if request.url.query else "")


def _path(address: str) -> str:
    return urlsplit(address).path


def _page_of_form(request: Request) -> str:
    """Return the page that the form is on: where the browser came from, else the form's own address, else the first
    page. Only a page that can be shown is returned.
    """
    came = urlsplit(request.headers.get("referer", ""))
    address = came.path + (f"?{came.query}" if came.query else "")
    if came.netloc == request.url.netloc and is_link(address) and _shows(request, came.path):
        return address
    return _address(request) if _shows(request, link(request.url.path)) else link("/")


def _shows(request: Request, path: str) -> bool:
    """Return whether there is a page at this path, and not a form alone."""
    scope = {"type": "http", "method": "GET", "path": path.removeprefix(links.PREFIX), "root_path": "", "headers": []}
    routes = (route for route in request.app.router.routes if isinstance(route, Route))
    return any(route.matches(scope)[0] is Match.FULL for route in routes)
