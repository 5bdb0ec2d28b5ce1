"""Rechecks that an office's own program requests: somebody has just paid or returned.

The call clears no student. The scheduler asks the source about the student, and its answer counts as with any recheck.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil

from config.renames import stored_name
from portal.api.answers import RecheckAnswer
from portal.api.bearer import Bearer, TokenRate
from portal.api.problems import NO_STUDENT, NoAnswer
from portal.api.questions import RecheckBody
from portal.auth.permissions import inside, readable
from portal.page.own_student import newest
from portal.page.services import Services
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.requests import RequestRefused
from status_db.model import normalise_number
from status_db.views import StudentView


@dataclass(frozen=True, slots=True)
class Rechecks:
    """Accepts the rechecks of one process."""

    services: Services
    pace: TokenRate

    async def request(self, bearer: Bearer, body: RecheckBody, now: datetime) -> RecheckAnswer:
        """Request a recheck, and note it in the audit log. Raises NoAnswer."""
        source, services = self._source(bearer, body.source), self.services
        number = normalise_number(body.student)
        found = await self._student(bearer, number, source, body.cohort, now)
        wait = self.pace.take(bearer.token.id, now)
        if wait:
            raise _too_many(f"More than {self.pace.rate} rechecks in a minute.", wait.total_seconds())
        ask = partial(
            services.requests.ask_source_about,
            found.cohort,
            number,
            source,
            account=bearer.account.account,
            now=now,
            pause=services.settings.api.recheck_pause,
        )
        try:
            request, new = await services.ask_long(ask)
        except RequestRefused as refused:
            seconds = refused.wait.total_seconds()
            raise _too_many("This source was asked about this student a moment ago.", seconds) from None
        if new:
            await services.ask_long(
                partial(
                    services.audit.note,
                    AuditEvent.ASKED_RECHECK,
                    account=bearer.account.account,
                    now=now,
                    cohort=found.cohort,
                    student=number,
                    address=bearer.address,
                ),
                token=bearer.token.id,
                source=source,
            )
        return RecheckAnswer(request=request, new=new, cohort=found.cohort, student=number, source=source)

    def _source(self, bearer: Bearer, given: str) -> str:
        """Return the stored name of a source. Raises NoAnswer unless the token can request rechecks of it."""
        settings, token = self.services.settings, bearer.token
        allowed = [name for name in settings.source if token.may_recheck(name)]
        if not allowed:
            detail = "This token cannot request rechecks. Ask an administrator for a token made with --recheck."
            raise NoAnswer(403, detail)
        source = stored_name(settings, given)
        if source not in allowed:
            raise NoAnswer(
                403, "This token cannot request rechecks of this source. Choose one of `known`.", known=allowed
            )
        return source

    async def _student(
        self, bearer: Bearer, number: str, source: str, cohort: str | None, now: datetime
    ) -> StudentView:
        """Return the student. Raises NoAnswer if the account cannot read the source's step of the student.

        Only open cohorts are served, so another one is refused.
        """
        services = self.services
        opened = services.settings.open_cohorts()
        if cohort is not None and cohort not in opened:
            detail = "This cohort is not open, so its sources are not asked. Choose one of `known`."
            raise NoAnswer(400, detail, known=list(opened))
        asked = [key for key in services.settings.newest_first() if key in opened and cohort in (None, key)]
        among = await services.ask(services.roster.cohorts_of, number, asked)
        found = await services.ask(newest, services.reader, among, number, now)
        step = services.settings.source[source].step
        if found is None or not inside(found, readable(bearer.account, [step], found.cohort).get(step, ())):
            raise NoAnswer(404, NO_STUDENT)
        if not found.active or step not in {status.step for status in found.steps}:
            raise NoAnswer(
                409, "The student does not leave, or has no step of this source. There is nothing to ask: check both."
            )
        return found


def _too_many(why: str, seconds: float) -> NoAnswer:
    wait = max(1, ceil(seconds))
    return NoAnswer(429, f"{why} Retry in {wait} s.", headers={"Retry-After": str(wait)})
