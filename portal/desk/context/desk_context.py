"""The context of a desk request: its cohort, its step, and the scopes in which the account is allowed to act."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from urllib.parse import quote

from starlette.exceptions import HTTPException

from config.settings import Settings
from config.tables.sources import Source
from portal.access.reader_context import ReaderContext
from portal.desk.context.services import DeskStores, desk_of
from portal.page.context import SignedIn
from status_db.accounts.accounts import Act
from status_db.accounts.authority import Allowed, allowed
from status_db.effective.visible import Visibility
from status_db.views import Scope

#: Any of these acts gives access to the desk.
AT_THE_DESK = (Act.DECIDE, Act.REVIEW, Act.ISSUE)

#: The acts that allow an account to answer appeals: deciding a step, or reviewing at a review step.
ANSWERING = (Act.DECIDE, Act.REVIEW)


@dataclass(frozen=True, slots=True)
class DeskContext:
    """One step at the desk, and the scopes in which the account is allowed to act on it."""

    reader: ReaderContext
    stores: DeskStores
    account: str
    step: str
    #: Steps that the account is allowed to act on, in the settings' order.
    steps: tuple[str, ...]
    scopes: tuple[Scope, ...]
    #: Scopes in which the account answers appeals. Empty if it only issues certificates.
    answers: tuple[Scope, ...]

    @property
    def visibility(self) -> Visibility:
        """The visibility of the queue: this step alone, inside the scopes."""
        return Visibility(self.reader.cohort.key, {self.step: self.scopes})

    @property
    def reviews(self) -> bool:
        """Whether the step is a review, to which classes and certificates belong."""
        return self.step in _reviews(self.reader.settings)

    @property
    def full_list_sources(self) -> dict[str, Source]:
        """Sources of the step with an uploaded full list. Empty if the account's scopes are limited."""
        settings, unlimited = self.reader.settings, any(not scope for scope in self.scopes)
        named = {name: settings.source[name] for name in settings.sources_of(self.step)} if unlimited else {}
        return {name: source for name, source in named.items() if getattr(source.own, "uploaded", False)}

    @property
    def before(self) -> ReaderContext:
        """The same request with the steps before the review visible, to show how old their data are."""
        settings = self.reader.settings
        flows = [flow for flow in settings.flow if self.step in {entry.step for entry in flow.entries}]
        steps = {step: self.scopes for flow in flows for step in flow.after(self.step)}
        return replace(self.reader, visibility=Visibility(self.reader.cohort.key, steps))

    def address(self, path: str, **wanted: str) -> str:
        """Return the address of a page for this cohort and step."""
        return self.reader.address(path, step=self.step, **wanted)

    def record(self, student: str, step: str = "", **wanted: str) -> str:
        """Return the address of a student's record; of this step if none is given."""
        return self.reader.address(f"/desk/students/{quote(student, safe='')}", step=step or self.step, **wanted)


def desk_context(context: SignedIn, acts: Collection[Act], step: str | None = None) -> DeskContext:
    """Return the context for the step in the address, or for the account's first step. Raise HTTPException.

    404 if the account is not allowed to act on the step, as for an unknown step. 403 if it cannot act on any step.
    """
    settings, cohort = context.settings, context.cohort
    may = acts_at(context, acts)
    if not may:
        raise HTTPException(403)
    wanted = step or context.asked("step") or next(iter(may))
    if wanted not in may:
        raise HTTPException(404)
    reader = ReaderContext(settings, context.language, context.now, cohort, Visibility(cohort.key, may))
    return DeskContext(
        reader=reader,
        stores=desk_of(context.request).stores[cohort.key],
        account=context.account.account,
        step=wanted,
        steps=tuple(may),
        scopes=may[wanted],
        answers=acts_at(context, ANSWERING).get(wanted, ()),
    )


def acts_at(context: SignedIn, acts: Collection[Act]) -> Allowed:
    """Return the steps on which the account is allowed to do any of these acts, and in which scopes.

    Review and issue apply to review steps, decide to all others.
    """
    settings = context.settings
    reviews = _reviews(settings)
    decided = [step.key for step in settings.step if step.key not in reviews]
    reviewed = [step.key for step in settings.step if step.key in reviews]
    found: Allowed = {}
    for act in acts:
        of = decided if act is Act.DECIDE else reviewed
        for step, scopes in allowed(context.account.grants, (act,), of, context.cohort.key).items():
            found[step] = (*found.get(step, ()), *scopes)
    return {step.key: found[step.key] for step in settings.step if step.key in found}


def _reviews(settings: Settings) -> set[str]:
    return {entry.step for flow in settings.flow for entry in flow.entries if entry.kind == "review"}
