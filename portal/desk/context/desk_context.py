"""What the desk's pages share: which cohort and which step is meant, and for whom an act is allowed there."""

from collections.abc import Collection
from dataclasses import dataclass, replace

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

#: Whoever may do any of these has a place at the desk.
AT_THE_DESK = (Act.DECIDE, Act.REVIEW, Act.ISSUE)

#: Whoever decides a step answers what is objected there; of a review, that is the reviewer.
ANSWERING = (Act.DECIDE, Act.REVIEW)


@dataclass(frozen=True, slots=True)
class DeskContext:
    """One place at the desk: a step, and for whom somebody may act at it."""

    reader: ReaderContext
    stores: DeskStores
    account: str
    step: str
    #: Those that the account may act at, in the settings' order.
    steps: tuple[str, ...]
    scopes: tuple[Scope, ...]
    #: Inside which of them the account answers objections: it may only issue, and then it answers none.
    answers: tuple[Scope, ...]

    @property
    def visibility(self) -> Visibility:
        """Who stands in the queue: this step alone, inside the scopes."""
        return Visibility(self.reader.cohort.key, {self.step: self.scopes})

    @property
    def reviews(self) -> bool:
        """The step is a review: classes pass it, and certificates hang on it."""
        return self.step in _reviews(self.reader.settings)

    @property
    def full_list_sources(self) -> dict[str, Source]:
        """The sources of the step whose whole list is brought here; none where the account decides for a part alone."""
        settings, everybody = self.reader.settings, any(not scope for scope in self.scopes)
        named = {name: settings.source[name] for name in settings.sources_of(self.step)} if everybody else {}
        return {name: source for name, source in named.items() if getattr(source.own, "brought", False)}

    @property
    def before(self) -> ReaderContext:
        """The same request, as it reads the steps before the review: how old their answers are."""
        settings = self.reader.settings
        flows = [flow for flow in settings.flow if self.step in {entry.step for entry in flow.entries}]
        steps = {step: self.scopes for flow in flows for step in flow.after(self.step)}
        return replace(self.reader, visibility=Visibility(self.reader.cohort.key, steps))

    def address(self, path: str, **wanted: str) -> str:
        """Return a page of this cohort and step."""
        return self.reader.address(path, step=self.step, **wanted)


def desk_context(context: SignedIn, acts: Collection[Act], step: str | None = None) -> DeskContext:
    """Return the place that an address means: its step, or the first one. Raises HTTPException.

    A step that the account may not act at looks like one that does not exist: 404. Who may act at none reads 403.
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
    """Return the steps at which the account may do any of these acts, and for whom.

    Reviews are given and what hangs on them is issued; every other step is decided.
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
