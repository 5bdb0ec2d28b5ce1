"""The context of one request: visitor, time, language and cohort; and the methods that answer it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import ParamSpec, Self, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from config.settings import Settings
from config.tables.cohorts import Cohort
from portal.auth.sessions import form_token
from portal.i18n import languages
from portal.i18n.languages import Language
from portal.page import cohorts
from portal.page.cohorts import CohortChoice
from portal.page.navigation import rooms_of, trail
from portal.page.services import Services
from portal.web import addresses
from portal.web.links import cookie_path, link, see_other
from status_db.accounts.accounts import Account
from status_db.accounts.audit_log import AuditEvent
from status_db.sign_in.second_factor import asked_of

#: The cookie that keeps the chosen language.
LANGUAGE_COOKIE = "language"
_YEAR = 365 * 24 * 3600

#: The longest value in an address, in characters.
_LONGEST = 200

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who has signed in."""

    account: Account
    token: str
    #: The one page the session leads to; None for all pages of the account.
    narrowed: str | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """One request."""

    request: Request
    services: Services
    #: None without a sign-in.
    visitor: Visitor | None
    language: Language
    #: The clock, read once.
    now: datetime
    #: The cohort that the page is about, and the settings with its roster.
    cohort: Cohort
    settings: Settings
    #: Every cohort whose roster has the student of the page; empty for a page that is not about one student.
    listing: tuple[str, ...] = ()
    #: The page is about the visitor, a student.
    own: bool = False

    @property
    def token(self) -> str:
        """The token that this browser's forms are bound to; empty before it has one."""
        return self.visitor.token if self.visitor is not None else self.services.cookie.read(self.request)

    def asked(self, name: str) -> str:
        """Return a value of the address: limited in length, with printable characters only."""
        value = self.request.query_params.get(name, "")
        return "".join(character for character in value if character.isprintable())[:_LONGEST].strip()

    def about(self, cohort: str, listing: tuple[str, ...] = (), *, own: bool = False) -> Self:
        """Return the same context for a page whose cohort is not the one in its address."""
        settings = self.services.settings
        return replace(
            self,
            cohort=settings.cohort_named(cohort),
            settings=settings.of_cohort(cohort),
            listing=listing,
            own=own,
        )

    def signed_in(self, visitor: Visitor) -> "SignedIn":
        """Return the same context with a visitor."""
        return SignedIn(self.request, self.services, visitor, self.language, self.now, self.cohort, self.settings)

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a short query."""
        return await self.services.ask(question, *args, **kwargs)

    async def ask_long(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a slow query in a thread, so that other visitors are served meanwhile."""
        return await self.services.ask_long(question, *args, **kwargs)

    async def ask_in_turn(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a slow query for the visitor, in turn with the other long questions."""
        async with self.services.long.place(self.request, self._account):
            return await self.services.ask_long(question, *args, **kwargs)

    async def export(self, writing: Callable[[], T]) -> T:
        """Write a large file, one at a time in each process. Pages are served meanwhile."""
        return await self.services.export(writing)

    def page(self, template: str, *, status: int = 200, **view: object) -> Response:
        """Render a page for the visitor, in the visitor's language."""
        visitor, token = self.visitor, self.token
        admitted = visitor.account if visitor is not None and visitor.narrowed is None else None
        rooms, path = rooms_of(admitted), self.request.url.path
        shared = {
            "at_cohort": self.at_cohort,
            # A form sent by GET has the cohort beside its own fields.
            "cohort_named": self._cohort_named,
            "cohort_choices": self._cohort_choices(),
            "account": visitor.account if visitor is not None else None,
            "has_factor_page": visitor is not None and asked_of(self.settings.auth, visitor.account),
            "has_own_page": admitted is not None,
            "form_token": form_token(token) if token else "",
            "languages": [(other, self._in_language(other)) for other in self.services.languages.values()],
            "path": path,
            "rooms": rooms,
            "crumbs": trail(path, rooms, signed_in=visitor is not None),
        }
        html = self.services.environments[self.language.code].get_template(template).render(shared | view)
        response = HTMLResponse(html, status, headers={"Content-Language": self.language.tag, "Vary": "Cookie"})
        self.keep_language(response)
        return response

    def at_cohort(self, path: str, **query: object) -> str:
        """Return the address of a page about the same cohort; empty values are left out, and `class_` is class."""
        return cohorts.naming(self._cohort_named, path, **query)

    def redirect(self, path: str, **query: object) -> Response:
        """Redirect the browser to a page about the same cohort."""
        return see_other(self.at_cohort(path, **query))

    def keep_language(self, response: Response) -> None:
        """Store the language in a cookie, if the address asks for one."""
        asked = self.request.query_params.get("lang")
        if asked in self.services.languages:
            secure = self.services.cookie.secure
            response.set_cookie(
                LANGUAGE_COOKIE, str(asked), _YEAR, path=cookie_path(), secure=secure, httponly=True, samesite="lax"
            )

    async def audit(
        self,
        event: AuditEvent,
        *,
        account: str = "",
        cohort: str | None = None,
        student: str | None = None,
        run: int | None = None,
        **detail: str | int | list[str],
    ) -> None:
        """Add a line to the audit log: by the visitor, unless an account is given."""
        line = partial(
            self.services.audit.note,
            event,
            account=account or self._account,
            now=self.now,
            cohort=cohort,
            student=student,
            run=run,
            address=addresses.of(self.request.scope),
        )
        await self.services.ask_long(line, **detail)

    @property
    def _account(self) -> str:
        return self.visitor.account.account if self.visitor is not None else ""

    @property
    def _cohort_named(self) -> str:
        """The cohort as addresses name it; empty for the default cohort."""
        if self.own:
            return self.cohort.key if len(self.listing) > 1 else ""
        return cohorts.named(self.settings, self.cohort.key)

    def _cohort_choices(self) -> list[CohortChoice]:
        """Return the cohorts that the reader can choose for this page; empty if there is only one."""
        visitor = self.visitor
        if self.own:
            return cohorts.own_choices(self.request, self.settings, self.cohort.key, self.listing)
        if visitor is None or visitor.narrowed is not None or visitor.account.student is not None:
            return []
        return cohorts.choices(self.request, self.settings, self.cohort.key, self.listing)

    def _in_language(self, language: Language) -> str:
        """Return the address of this page in another language."""
        asked = [(name, value) for name, value in self.request.query_params.multi_items() if name != "lang"]
        return f"{link(self.request.url.path)}?{urlencode([*asked, ('lang', language.code)])}"


@dataclass(frozen=True, slots=True)
class SignedIn(Context):
    """One request of a visitor who has signed in."""

    visitor: Visitor

    @property
    def account(self) -> Account:
        """The visitor's account."""
        return self.visitor.account


def context_of(request: Request) -> Context:
    """Return the context of a request, with the visitor and the own cohort that its page has kept.

    Without an own cohort, the cohort is the one in the address, else the first open one.
    """
    services: Services = request.app.state.services
    code = languages.choose(
        list(services.languages),
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("accept-language", ""),
    )
    settings = services.settings
    cohort = cohorts.chosen(request, settings)
    settings, language = settings.of_cohort(cohort.key), services.languages[code]
    context = Context(request, services, None, language, services.clock(), cohort, settings)
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    own: tuple[str, tuple[str, ...]] | None = getattr(request.state, "own", None)
    context = context.signed_in(visitor) if visitor is not None else context
    return context.about(*own, own=True) if own is not None else context


C = TypeVar("C", bound=Context)


def keep(context: C) -> C:
    """Store the visitor and the own cohort in the request, for the error page if this page fails.

    The context itself is not stored there: the two would reference each other and keep the connection open.
    """
    context.request.state.visitor = context.visitor
    context.request.state.own = (context.cohort.key, context.listing) if context.own else None
    return context
