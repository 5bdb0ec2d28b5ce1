"""The routes of the API in one table: address, question and answer of each. The API's description is made from it."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from portal.api import answers, document, questions, wording
from portal.api.bearer import Bearer, BearerCheck, TokenRate
from portal.api.document import Endpoint
from portal.api.problems import HANDLERS, NO_STUDENT, NoAnswer, broken
from portal.api.recheck import Rechecks
from portal.auth.permissions import detailed, inside, readable
from portal.i18n import languages
from portal.i18n.languages import Language
from portal.page.own_student import newest
from portal.page.services import Services
from portal.web import bounds
from portal.web.faults import Faults
from status_db.accounts.accounts import Act
from status_db.effective.visible import Visibility
from status_db.model import normalise_number
from status_db.queries.lists import Filter, ListSelection, Order
from status_db.views import Scope

PREFIX = "/api/v1"

bounds.register()


@dataclass(frozen=True, slots=True)
class ApiContext:
    """One request of the API: its bearer, time and language.

    It is for the API what `portal.page.context.Context` is for the pages. It has a bearer in place of a visitor, reads
    no cookie, and uses only the language and cohort of the question.
    """

    request: Request
    services: Services
    check: BearerCheck
    bearer: Bearer
    now: datetime
    language: Language
    rechecks: Rechecks
    #: The body, where the endpoint has one.
    body: Any = None

    def cohort(self, asked: str | None) -> str:
        """Return the cohort of the question, else the default one."""
        return asked or self.services.settings.default_cohort()

    def steps(self, cohort: str) -> dict[str, tuple[Scope, ...]]:
        """Return step → the scopes in which the account may read it. Raises NoAnswer if it has no grant to read."""
        if not self.bearer.account.may(Act.READ):
            raise NoAnswer(403, "This token's account has no grant to read. Ask an administrator for one.")
        return readable(self.bearer.account, [step.key for step in self.services.settings.step], cohort)


Handler = Callable[[ApiContext, Any], Awaitable[BaseModel]]


async def cohorts(asked: ApiContext, _question: questions.Question) -> answers.CohortsAnswer:
    """Return all cohorts."""
    return answers.CohortsAnswer(
        cohorts=[
            answers.CohortAnswer(
                cohort=cohort.key,
                name=cohort.name,
                windows={
                    level: answers.WindowAnswer(opens=window.opens, closes=window.closes)
                    for level, window in cohort.windows.items()
                },
            )
            for cohort in asked.services.settings.cohort
        ]
    )


async def student(asked: ApiContext, question: questions.OfStudent) -> answers.StudentAnswer:
    """Return the status of one student. A student outside the grants gets the same answer as an unknown one."""
    services, account = asked.services, asked.bearer.account
    number = normalise_number(asked.request.path_params["number"])
    own = account.student == number
    if not own and account.student is None:
        asked.steps(asked.cohort(question.cohort))
    among = (question.cohort,) if question.cohort else services.settings.newest_first()
    among = await services.ask(services.roster.cohorts_of, number, among)
    found = await services.ask(newest, services.reader, among, number, asked.now)
    if found is None:
        raise NoAnswer(404, NO_STUDENT)
    keys = [step.key for step in services.settings.step]
    if own:
        return wording.student(asked.language, services.settings, found, asked.now, frozenset(keys))
    allowed = readable(account, keys, found.cohort)
    only = frozenset(step for step, scopes in allowed.items() if inside(found, scopes))
    if not only:
        raise NoAnswer(404, NO_STUDENT)
    await asked.check.note_student(services, asked.bearer, found.cohort, number, asked.now)
    details = detailed(account, only, found.cohort)
    bare = only - {step for step, scopes in details.items() if inside(found, scopes)}
    return wording.student(asked.language, services.settings, found, asked.now, only, bare)


async def students(asked: ApiContext, question: questions.OfList) -> answers.ListAnswer:
    """Return one page of the students who leave, within the grants."""
    services, cohort = asked.services, asked.cohort(question.cohort)
    steps = asked.steps(cohort)
    if question.step is not None:
        steps = {step: scopes for step, scopes in steps.items() if step == question.step}
    columns = {"college": question.college, "class": question.class_name}
    narrowed = {column: value for column, value in columns.items() if value is not None}
    chosen = Filter(question.state or ListSelection.ALL, columns=narrowed, order=Order.NUMBER)
    after = (normalise_number(question.after),) if question.after else None
    leaf = partial(services.lists.leaf, Visibility(cohort, steps), chosen, asked.now, question.limit, after=after)
    page = await services.ask_long(leaf)
    filters = question.model_dump(exclude={"after", "limit", "lang", "cohort"}, exclude_none=True, by_alias=True)
    asked_for = " ".join(f"{name}={value}" for name, value in filters.items())
    await asked.check.note_list(services, asked.bearer, cohort, asked_for, asked.now)
    return answers.ListAnswer(
        cohort=cohort,
        students=[wording.list_line(asked.language, services.settings, line, asked.now) for line in page.rows],
        next=page.rows[-1].student if page.more else None,
    )


async def overview(asked: ApiContext, question: questions.OfCohort) -> answers.OverviewAnswer:
    """Return the number of students in each state, by step and by college, within the grants."""
    services, cohort = asked.services, asked.cohort(question.cohort)
    found = await services.ask_long(services.reader.seen, Visibility(cohort, asked.steps(cohort)), asked.now)

    def step_counts(tallies: Mapping[str, Any]) -> list[answers.StepCountsAnswer]:
        return [
            wording.step_counts(
                asked.language, services.settings, step.key, tallies[step.key], found.freshness.get(step.key), asked.now
            )
            for step in services.settings.step
            if step.key in tallies
        ]

    return answers.OverviewAnswer(
        cohort=cohort,
        steps=step_counts(found.by_step),
        colleges=[
            answers.CollegeAnswer(college=college, steps=step_counts(tallies))
            for college, tallies in found.by_college.items()
        ],
    )


async def sources(asked: ApiContext, question: questions.OfCohort) -> answers.SourcesAnswer:
    """Return the freshness of the roster, and of each source of a step within the grants."""
    services, cohort, account = asked.services, asked.cohort(question.cohort), asked.bearer.account
    every = account.may(Act.MANAGE)
    steps = {} if every else asked.steps(cohort)
    views = await services.ask(services.reader.sources, cohort)
    paused = await services.ask(services.pauses.current)
    return answers.SourcesAnswer(
        cohort=cohort,
        sources=[
            answers.SourceAnswer(
                source=view.source,
                step=view.step,
                title=_source_title(asked, view.source),
                as_of=view.as_of,
                fresh_until=view.fresh_until,
                stale=view.stale(asked.now),
                state=answers.SourceState("paused" if view.source in paused else view.attempts.state),
                failing_since=view.attempts.failed.since if view.attempts.failed else None,
                not_before=view.attempts.not_before,
            )
            for view in views
            if every or view.step is None or view.step in steps
        ],
    )


async def recheck(asked: ApiContext, _question: questions.Question) -> answers.RecheckAnswer:
    """Request a recheck of one student at one source."""
    return await asked.rechecks.request(asked.bearer, asked.body, asked.now)


def _source_title(asked: ApiContext, name: str) -> str:
    source = asked.services.settings.source.get(name)
    if source is None:
        return asked.language.gettext("离校名单")
    return asked.language.pick(source.title, source.title_en) or name


ENDPOINTS: tuple[tuple[Endpoint, Handler], ...] = (
    (Endpoint("/cohorts", "Every leaving season", questions.Question, answers.CohortsAnswer), cohorts),
    (
        Endpoint(
            "/students/{number}",
            "One student, step by step",
            questions.OfStudent,
            answers.StudentAnswer,
            of_one=True,
            tagged=True,
        ),
        student,
    ),
    (
        Endpoint("/students", "Students, page by page", questions.OfList, answers.ListAnswer, tagged=True, long=True),
        students,
    ),
    (Endpoint("/overview", "Students in each state", questions.OfCohort, answers.OverviewAnswer, long=True), overview),
    (Endpoint("/sources", "Freshness of the sources", questions.OfCohort, answers.SourcesAnswer), sources),
    (
        Endpoint(
            "/recheck",
            "Ask a source about one student now",
            questions.Question,
            answers.RecheckAnswer,
            body=questions.RecheckBody,
        ),
        recheck,
    ),
)


def mounted(services: Services) -> tuple[Mount, ...]:
    """Return the API as one route of the application, with its own error answers; empty if the API is off."""
    settings = services.settings.api
    if not settings.enabled:
        return ()
    check = BearerCheck(services.token_reading, services.token_writing, TokenRate(settings.rate))
    rechecks = Rechecks(services, TokenRate(settings.recheck_rate))
    known = questions.known_values(services.settings)
    described = document.described(PREFIX, [endpoint for endpoint, _ in ENDPOINTS], known, services.settings)

    async def description(_request: Request) -> Response:
        return Response(described, media_type="application/json")

    def answering(endpoint: Endpoint, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            now = services.clock()
            bearer = await check.enter(request, services, now)
            question = questions.read_question(request, endpoint.question, known)
            body = await questions.read_body(request, endpoint.body) if endpoint.body is not None else None
            language = _language(request, services, getattr(question, "lang", None))

            async def here() -> Response:
                context = ApiContext(request, services, check, bearer, now, language, rechecks, body)
                content = await handler(context, question)
                response = _json_response(request, content, language, tagged=endpoint.tagged)
                response.status_code = response.status_code if endpoint.tagged else endpoint.status
                return response

            return await (services.long.answer(request, bearer.account.account, here) if endpoint.long else here())

        return answer

    routes = [
        Route(e.path.replace("}", ":name}"), answering(e, handler), name=e.name, methods=[e.method])
        for e, handler in ENDPOINTS
    ]
    routes.append(Route("/openapi.json", description, methods=["GET"]))
    elsewhere = Middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["GET"],
        allow_headers=["Authorization", "If-None-Match"],
        expose_headers=["ETag", "Retry-After", "WWW-Authenticate"],
    )
    breaking = Middleware(Faults, broken=partial(broken, services.faults))
    app = Starlette(
        routes=routes,
        middleware=[*([elsewhere] if settings.origins else []), breaking],
        exception_handlers=dict(HANDLERS),
    )
    return (Mount(PREFIX, app),)


def _language(request: Request, services: Services, asked: str | None) -> Language:
    code = languages.choose(list(services.languages), asked, None, request.headers.get("accept-language", ""))
    return services.languages[code]


def _json_response(request: Request, content: BaseModel, language: Language, *, tagged: bool) -> Response:
    body = content.model_dump_json(by_alias=True).encode()
    headers = {"Content-Language": language.tag, "Vary": "Accept-Language, Authorization"}
    if tagged:
        tag = f'"{hashlib.sha256(language.code.encode() + body).hexdigest()[:32]}"'
        headers["ETag"] = tag
        kept = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
        if kept & {tag, "*"}:
            return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
