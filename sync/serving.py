"""Serving what people ask for on the pages: asking the sources about one student, and saying something about a run."""

from collections.abc import Callable
from datetime import datetime

import structlog

from config.settings import Settings
from status_db.model import RunState
from status_db.opinions import OpinionRefused, Opinions
from status_db.reader import Reader
from status_db.requests import Kind, Request, RequestOutcome, Requests
from sync.run import Outcome, Sync


class Serving:
    """Serves one cohort's requests. Two that serve at once do no harm: asking twice changes nothing."""

    def __init__(
        self,
        settings: Settings,
        cohort: str,
        sync: Sync,
        reader: Reader,
        opinions: Opinions,
        requests: Requests,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._cohort = cohort
        self._sync = sync
        self._reader = reader
        self._opinions = opinions
        self._requests = requests
        self._clock = clock
        self._log = structlog.get_logger("clearance.serving")

    def serve(self) -> int:
        """Serve what waits, the oldest first, and return how many. Raises StoreError."""
        waiting = self._requests.waiting(self._cohort)
        for request in waiting:
            outcome, message = self._served(request)
            self._requests.served(request.request, outcome, message, self._clock())
            self._log.info("request served", request=request.request, kind=request.kind, outcome=outcome)
        return len(waiting)

    def _served(self, request: Request) -> tuple[RequestOutcome, str]:
        return self._rechecked(request) if request.kind is Kind.RECHECK else self._said(request)

    def _rechecked(self, request: Request) -> tuple[RequestOutcome, str]:
        number = request.student or ""
        student = self._reader.student(self._cohort, number, self._clock())
        own = {status.step for status in student.steps} if student is not None else set()
        names = [name for name, source in self._settings.source.items() if source.step in own]
        if not names:
            return RequestOutcome.REFUSED, f"{number} does not leave with {self._cohort}: there is nothing to ask."
        return _together([self._sync.recheck(name, number, by=request.account) for name in names])

    def _said(self, request: Request) -> tuple[RequestOutcome, str]:
        run, says, digest = request.run or 0, request.says, request.digest
        if says is None or digest is None:
            return RequestOutcome.REFUSED, f"request {request.request} does not say what of run {run}."
        try:
            self._opinions.enter(
                run, says, author=request.account, reason=request.reason, now=request.at, said_of=digest
            )
        except OpinionRefused as refused:
            said = any(o.author == request.account and o.says is says for o in self._opinions.of_run(run))
            if not said:
                return RequestOutcome.REFUSED, str(refused)
        ended = next((o for o in self._sync.carry_out() if o.run == run), None)
        return RequestOutcome.DONE, ended.message if ended else ""


def _together(outcomes: list[Outcome]) -> tuple[RequestOutcome, str]:
    """Say how asking several sources ended: the gravest."""
    messages = " ".join(o.message for o in outcomes if o.message)
    if any(o.fault and o.fault != "suspended" for o in outcomes):
        return RequestOutcome.FAILED, messages
    if any(o.state in (RunState.SKIPPED, RunState.SUSPENDED) for o in outcomes):
        return RequestOutcome.REFUSED, messages
    return RequestOutcome.DONE, messages
