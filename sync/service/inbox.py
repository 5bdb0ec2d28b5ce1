"""The requests that people make on the pages: ask sources, vote on a run, revert one, and use an uploaded list."""

import os
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from config.cohorts import naming
from config.settings import Settings
from foundation.translation import tr
from status_db.inbox.pauses import Pause
from status_db.inbox.requests import Request, RequestKind, RequestOutcome, Requests
from status_db.inbox.uploads import Uploads
from status_db.ledger.key import LedgerRefused
from status_db.marks.applied_settings import SettingsDiffer
from status_db.marks.approvals import VoteRefused
from status_db.marks.reversals import ReversalRefused
from status_db.marks.revert_plans import plan_to_json
from status_db.model import ROSTER, RunState
from status_db.queries.student import Reader
from sync.run.applying import OVERTAKEN
from sync.run.approve import Approvals
from sync.run.outcome import Outcome
from sync.run.run import Sync

#: Rechecks are served apart from the others, so that they never wait behind a pull.
RECHECKS = frozenset({RequestKind.RECHECK})
EVERY_KIND = frozenset(RequestKind)
OTHERS = EVERY_KIND - RECHECKS
VOTES = frozenset({RequestKind.VOTE, RequestKind.WAY_BACK, RequestKind.REVERT})
#: These ask sources, which takes as long as a source does.
SYNCS = OTHERS - VOTES


class Serving:
    """Serves one cohort's requests. Two processes can serve at once: a second question changes nothing."""

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
        paused: Callable[[], Mapping[str, Pause]] = dict,
    ) -> None:
        """`paused` returns the paused sources, which are not asked."""
        self._settings = settings
        self._cohort = cohort
        self._sync = sync
        self._reader = reader
        self._approvals = approvals
        self._requests = requests
        self._uploads = uploads
        self._clock = clock
        self._paused = paused
        self._log = structlog.get_logger("clearance.serving")

    def serve(self, kinds: frozenset[RequestKind] = EVERY_KIND) -> int:
        """Serve the waiting requests of these kinds, the oldest first, and return how many.

        With votes among them, also carry out the votes recorded elsewhere. Raises StoreError.
        """
        waiting = self._requests.waiting(self._cohort, kinds)
        for request in waiting:
            outcome, message, found = self._serve_one(request)
            self._requests.served(request.request, outcome, message, self._clock(), found)
            self._log.info("request served", request=request.request, kind=request.kind, outcome=outcome)
        if RequestKind.VOTE in kinds:
            self._approvals.carry_out()
        return len(waiting)

    def _serve_one(self, request: Request) -> tuple[RequestOutcome, str, dict[str, Any] | None]:
        """Return how a request ended, the reason, and its result for the account that asked."""
        if request.altered:
            message = tr(
                "This request was written to the database by another program, so it is not carried out. "
                "Run: clearance verify"
            )
            return RequestOutcome.REFUSED, message, None
        match request.kind:
            case RequestKind.WAY_BACK | RequestKind.REVERT:
                return self._revert(request)
            case RequestKind.RECHECK:
                return (*self._recheck(request), None)
            case RequestKind.VOTE:
                return (*self._vote(request), None)
            case RequestKind.ASK:
                return (*self._ask(tuple(self._settings.source), request), None)
            case RequestKind.SYNC:
                known = request.source == ROSTER or request.source in self._settings.source
                return (*self._ask((request.source,) if known and request.source else (), request), None)
            case RequestKind.LIST:
                return (*self._use_upload(request), None)

    def _revert(self, request: Request) -> tuple[RequestOutcome, str, dict[str, Any] | None]:
        """Plan the revert of an approved run, or carry it out; return the plan, or the run, as the result."""
        number = request.run or 0
        run = self._reader.run(self._cohort, number)
        if run is None:
            return RequestOutcome.REFUSED, tr("there is no run {number}. Check the list of runs.", number=number), None
        try:
            if request.kind is RequestKind.WAY_BACK:
                return RequestOutcome.DONE, "", plan_to_json(self._sync.reverting.plan(number, run.source))
            outcome = self._sync.revert(
                number, run.source, by=request.account, because=request.reason, checked_digest=request.digest
            )
        except (ReversalRefused, LedgerRefused, SettingsDiffer) as refused:
            return RequestOutcome.REFUSED, naming(self._settings, self._cohort, str(refused)), None
        ended, message = _worst_outcome([outcome])
        return ended, message, {"run": outcome.run, "state": outcome.state.value, "fault": outcome.fault}

    def _ask(self, names: tuple[str, ...], request: Request) -> tuple[RequestOutcome, str]:
        """Ask these sources, except paused ones."""
        asked = self._unpaused(names)
        if not asked:
            return RequestOutcome.REFUSED, _nothing_asked(names)
        return _worst_outcome([self._sync.run(name, by=request.account) for name in asked])

    def _unpaused(self, names: tuple[str, ...]) -> list[str]:
        paused = self._paused()
        return [name for name in names if name not in paused]

    def _use_upload(self, request: Request) -> tuple[RequestOutcome, str]:
        """Store an uploaded sheet as its source's own list, and ask that source.

        Where the source cannot read it, the list before it is restored.
        """
        kept = self._uploads.list_of(request.upload or 0)
        if kept is None or kept[0] not in self._settings.source:
            return RequestOutcome.REFUSED, tr("The sheet is no longer kept. Upload it again.")
        source, content = kept
        own = self._settings.source[source].own
        if not getattr(own, "uploaded", False):
            return (
                RequestOutcome.REFUSED,
                tr("{source} does not read an uploaded list. See [source.{source}].", source=source),
            )
        path: Path = own.path
        try:
            before = path.read_bytes() if path.exists() else None
            _replace_file(path, content)
            outcome = self._sync.run(source, by=request.account)
            if outcome.fault in ("garbled", "refused") and before is not None:
                _replace_file(path, before)
        except OSError as error:
            return (
                RequestOutcome.FAILED,
                tr(
                    "The list could not be written to {path} ({error}). Check its folder.",
                    path=path,
                    error=error.strerror,
                ),
            )
        return _worst_outcome([outcome])

    def _recheck(self, request: Request) -> tuple[RequestOutcome, str]:
        number = request.student or ""
        student = self._reader.student(self._cohort, number, self._clock())
        own = {status.step for status in student.steps} if student is not None else set()
        names = [name for name, source in self._settings.source.items() if source.step in own]
        if request.source is not None:
            names = [name for name in names if name == request.source]
        if not names:
            return RequestOutcome.REFUSED, tr(
                "{number} does not leave with {cohort}: there is nothing to ask.", number=number, cohort=self._cohort
            )
        asked = self._unpaused(tuple(names))
        if not asked:
            return RequestOutcome.REFUSED, _nothing_asked(tuple(names))
        self._requests.begin(request.request, self._clock())
        return _worst_outcome([self._sync.recheck(name, number, by=request.account) for name in asked])

    def _vote(self, request: Request) -> tuple[RequestOutcome, str]:
        run, vote, digest = request.run or 0, request.vote, request.digest
        if vote is None or digest is None:
            return RequestOutcome.REFUSED, tr(
                "request {request} contains no vote on run {run}. Vote again.", request=request.request, run=run
            )
        try:
            voted = self._approvals.vote(
                run, vote, author=request.account, reason=request.reason, now=request.at, voted_on=digest
            )
        except VoteRefused as refused:
            return RequestOutcome.REFUSED, naming(self._settings, self._cohort, str(refused))
        return RequestOutcome.DONE, voted.outcome.message if voted.outcome else ""


def _replace_file(path: Path, content: bytes) -> None:
    """Replace a file as a whole: a reader gets the old one or the new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            # Leave no partial file on a full disk.
            Path(file.name).unlink(missing_ok=True)
            raise


def _worst_outcome(outcomes: list[Outcome]) -> tuple[RequestOutcome, str]:
    """Return how asking several sources ended: the most severe outcome."""
    # A later answer than the requested one serves as well.
    outcomes = [o for o in outcomes if o.fault != OVERTAKEN]
    messages = " ".join(o.message for o in outcomes if o.message)
    if any(o.fault and o.fault != "suspended" for o in outcomes):
        return RequestOutcome.FAILED, messages
    if any(o.state in (RunState.SKIPPED, RunState.SUSPENDED) for o in outcomes):
        return RequestOutcome.REFUSED, messages
    return RequestOutcome.DONE, messages


def _nothing_asked(names: tuple[str, ...]) -> str:
    if not names:
        return tr("This source is no longer in the settings. Load the page again.")
    return tr("{names}: paused, so nothing was asked. Resume it on the page of sources.", names=", ".join(names))
