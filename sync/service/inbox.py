"""Serving what people ask for on the pages: asking sources, saying something about a run, taking a list as brought."""

import os
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from config.cohorts import naming
from config.settings import Settings
from status_db.inbox.requests import Request, RequestKind, RequestOutcome, Requests
from status_db.inbox.uploads import Uploads
from status_db.ledger.key import LedgerRefused
from status_db.marks.applied_settings import SettingsDiffer
from status_db.marks.approvals import VoteRefused
from status_db.marks.reversals import ReversalRefused
from status_db.marks.revert_plans import plan_to_json
from status_db.model import RunState
from status_db.queries.student import Reader
from sync.run.applying import OVERTAKEN
from sync.run.approve import Approvals
from sync.run.outcome import Outcome
from sync.run.run import Sync


class Serving:
    """Serves one cohort's requests. Two that serve at once do no harm: asking twice changes nothing."""

    def __init__(
        self,
        settings: Settings,
        cohort: str,
        sync: Sync,
        reader: Reader,
        approvals: Approvals,
        requests: Requests,
        uploads: Uploads,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._cohort = cohort
        self._sync = sync
        self._reader = reader
        self._approvals = approvals
        self._requests = requests
        self._uploads = uploads
        self._clock = clock
        self._log = structlog.get_logger("clearance.serving")

    def serve(self) -> int:
        """Serve what waits, the oldest first, and return how many; then carry out what was voted elsewhere.

        Raises StoreError.
        """
        waiting = self._requests.waiting(self._cohort)
        for request in waiting:
            outcome, message, found = self._served(request)
            self._requests.served(request.request, outcome, message, self._clock(), found)
            self._log.info("request served", request=request.request, kind=request.kind, outcome=outcome)
        self._approvals.carry_out()
        return len(waiting)

    def _served(self, request: Request) -> tuple[RequestOutcome, str, dict[str, Any] | None]:
        """Return how a request ended, the reason, and its result for the account that asked."""
        if request.altered:
            message = "Somebody wrote this request to the database past this program, so it is not carried out."
            return RequestOutcome.REFUSED, f"{message} Run: clearance verify", None
        match request.kind:
            case RequestKind.WAY_BACK | RequestKind.REVERT:
                return self._way_back(request)
            case RequestKind.RECHECK:
                return (*self._rechecked(request), None)
            case RequestKind.VOTE:
                return (*self._voted(request), None)
            case RequestKind.ASK:
                outcomes = [self._sync.run(name, by=request.account) for name in self._settings.source]
                return (*_together(outcomes), None)
            case RequestKind.LIST:
                return (*self._taken(request), None)

    def _way_back(self, request: Request) -> tuple[RequestOutcome, str, dict[str, Any] | None]:
        """Plan the way back from an approved run, or take it; the plan, or the run that takes it, is what was found."""
        number = request.run or 0
        run = self._reader.run(self._cohort, number)
        if run is None:
            return RequestOutcome.REFUSED, f"there is no run {number}. Look at the list of runs.", None
        try:
            if request.kind is RequestKind.WAY_BACK:
                return RequestOutcome.DONE, "", plan_to_json(self._sync.reverting.plan(number, run.source))
            outcome = self._sync.revert(
                number, run.source, by=request.account, because=request.reason, looked_at=request.digest
            )
        except (ReversalRefused, LedgerRefused, SettingsDiffer) as refused:
            return RequestOutcome.REFUSED, naming(self._settings, self._cohort, str(refused)), None
        ended, message = _together([outcome])
        return ended, message, {"run": outcome.run, "state": outcome.state.value, "fault": outcome.fault}

    def _taken(self, request: Request) -> tuple[RequestOutcome, str]:
        """Take a sheet that was brought as its source's own list, and ask that source.

        One that the source cannot read is taken away again: the list before it is back in its place.
        """
        kept = self._uploads.list_of(request.upload or 0)
        if kept is None or kept[0] not in self._settings.source:
            return RequestOutcome.REFUSED, "The sheet is not kept any more. Bring it again."
        source, content = kept
        own = self._settings.source[source].own
        if not getattr(own, "brought", False):
            return (
                RequestOutcome.REFUSED,
                f"{source} reads its list elsewhere: nobody brings it. See [source.{source}].",
            )
        path: Path = own.path
        try:
            before = path.read_bytes() if path.exists() else None
            _put(path, content)
            outcome = self._sync.run(source, by=request.account)
            if outcome.fault in ("garbled", "refused") and before is not None:
                _put(path, before)
        except OSError as error:
            return RequestOutcome.FAILED, f"The list could not be put at {path} ({error.strerror}). See its folder."
        return _together([outcome])

    def _rechecked(self, request: Request) -> tuple[RequestOutcome, str]:
        number = request.student or ""
        student = self._reader.student(self._cohort, number, self._clock())
        own = {status.step for status in student.steps} if student is not None else set()
        names = [name for name, source in self._settings.source.items() if source.step in own]
        if not names:
            return RequestOutcome.REFUSED, f"{number} does not leave with {self._cohort}: there is nothing to ask."
        return _together([self._sync.recheck(name, number, by=request.account) for name in names])

    def _voted(self, request: Request) -> tuple[RequestOutcome, str]:
        run, says, digest = request.run or 0, request.says, request.digest
        if says is None or digest is None:
            return RequestOutcome.REFUSED, f"request {request.request} does not say what of run {run}."
        try:
            voted = self._approvals.vote(
                run, says, author=request.account, reason=request.reason, now=request.at, said_of=digest
            )
        except VoteRefused as refused:
            return RequestOutcome.REFUSED, naming(self._settings, self._cohort, str(refused))
        return RequestOutcome.DONE, voted.outcome.message if voted.outcome else ""


def _put(path: Path, content: bytes) -> None:
    """Put a file in its place whole: whoever reads there has the one before or this one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            # A full disk is not filled further by what was begun.
            Path(file.name).unlink(missing_ok=True)
            raise


def _together(outcomes: list[Outcome]) -> tuple[RequestOutcome, str]:
    """Say how asking several sources ended: the gravest."""
    # A later answer than the one that was asked for is as good as that.
    outcomes = [o for o in outcomes if o.fault != OVERTAKEN]
    messages = " ".join(o.message for o in outcomes if o.message)
    if any(o.fault and o.fault != "suspended" for o in outcomes):
        return RequestOutcome.FAILED, messages
    if any(o.state in (RunState.SKIPPED, RunState.SUSPENDED) for o in outcomes):
        return RequestOutcome.REFUSED, messages
    return RequestOutcome.DONE, messages
