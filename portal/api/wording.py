"""From stored status to API answers: the same states, words and reasons as on the pages."""

from collections.abc import Iterable
from datetime import datetime

from config.settings import Settings
from portal.api.answers import (
    CertificateAnswer,
    HeadlineAnswer,
    LineAnswer,
    OwedAnswer,
    PlaceAnswer,
    StatusAnswer,
    StepAnswer,
    StepCountsAnswer,
    StudentAnswer,
)
from portal.i18n import labels
from portal.i18n.languages import Language
from portal.present import cards, headline, reasons
from status_db.effective_status import StepStatus
from status_db.model import Obligation, State
from status_db.queries.lists import ListedStudent
from status_db.views import StepCounts, StepSource, StudentView


def student(
    language: Language,
    settings: Settings,
    found: StudentView,
    now: datetime,
    only: frozenset[str],
    bare: frozenset[str] = frozenset(),
) -> StudentAnswer:
    """Return the answer about a student, with the steps of `only`: those of `bare` without titles and amounts."""
    steps = [status for status in found.steps if status.step in only]
    leaving = found.active and found.flow is not None
    whole = len(steps) == len(found.steps)
    first = headline.headline(language, settings, found, now) if leaving and whole else None
    certificate = found.certificate if whole else None
    return StudentAnswer(
        cohort=found.cohort,
        number=found.student,
        name=found.name,
        level=found.level,
        college=found.college,
        class_name=found.class_name,
        campus=found.campus,
        category=found.category,
        leaving=leaving,
        whole=whole,
        headline=HeadlineAnswer(text=first.text, detail=first.detail) if first else None,
        steps=[_step_answer(language, settings, found, status, now, bare=status.step in bare) for status in steps],
        certificate=CertificateAnswer(number=certificate.number, kind=certificate.kind, issued_at=certificate.issued_at)
        if certificate
        else None,
    )


def list_line(language: Language, settings: Settings, found: ListedStudent, now: datetime) -> LineAnswer:
    """Return the answer about a student of a list."""
    titles = labels.step_titles(language, settings)
    return LineAnswer(
        number=found.student,
        name=found.name,
        level=found.level,
        college=found.college,
        class_name=found.class_name,
        steps=[StatusAnswer(**_effective(language, titles[status.step], status, now)) for status in found.steps],
    )


def step_counts(
    language: Language, settings: Settings, step: str, counted: StepCounts, fresh: StepSource | None, now: datetime
) -> StepCountsAnswer:
    """Return the number of students in each state at one step."""
    return StepCountsAnswer(
        step=step,
        title=labels.step_titles(language, settings)[step],
        total=counted.total,
        by_state={state: counted.by_state.get(state, 0) for state in State},
        settled=counted.by_state.get(State.CLEARED, 0) + counted.by_state.get(State.EXEMPT, 0),
        by_decision=counted.by_decision,
        disputed=counted.disputed,
        as_of=fresh.as_of if fresh else None,
        stale=fresh is not None and fresh.stale(now),
    )


def _effective(language: Language, title: str, status: StepStatus, now: datetime) -> dict[str, object]:
    effective = status.at(now)
    stale = ""
    if effective.stale and status.as_of is not None:
        stale = language.gettext("数据过期（截至 %(moment)s）", moment=language.moment(status.as_of, now))
    return {
        "step": status.step,
        "title": title,
        "kind": status.kind,
        "state": effective.state,
        "word": labels.say(language, labels.STATES, effective.state),
        "clear": effective.clear,
        "stale": effective.stale,
        "stale_word": stale,
        "as_of": status.as_of,
        "by_decision": effective.by_decision,
        "overtaken_by_debt": effective.overtaken_by_debt,
    }


def _step_answer(
    language: Language, settings: Settings, found: StudentView, status: StepStatus, now: datetime, *, bare: bool
) -> StepAnswer:
    # The line of this step, as the pages make it, so that the words are the same.
    (shown,) = cards.step_lines(language, settings, found, now, {status.step}, bare={status.step} if bare else ())
    effective, office = status.at(now), settings.step_named(status.step).office
    go = effective.state in (State.HELD, State.NOT_DONE) or effective.overtaken_by_debt
    evidence = reasons.owing(status.finding.verdict, status.finding.evidence) if go and not bare else ()
    title = labels.step_titles(language, settings)[status.step]
    decision = status.decision if effective.by_decision else None
    common = _effective(language, title, status, now) | {"word": shown.word, "stale_word": shown.stale}
    return StepAnswer(
        **common,
        office=language.pick(office.name, office.name_en),
        sentence=shown.sentence,
        said=shown.operator_note,
        condition=decision.condition if decision else "",
        until=decision.until if decision else None,
        owed=list(_owed_answers(language, evidence, now)),
        total=reasons.total(evidence),
        place=PlaceAnswer.model_validate(shown.place, from_attributes=True) if shown.place else None,
        updates=shown.updates,
        waits_for=len(status.waits_for),
    )


def _owed_answers(language: Language, evidence: Iterable[Obligation], now: datetime) -> Iterable[OwedAnswer]:
    things = tuple(evidence)
    for thing, shown in zip(things, reasons.owed(language, things, now), strict=True):
        yield OwedAnswer(
            kind=thing.kind,
            title=shown.what,
            amount=thing.amount,
            due=thing.due,
            due_unreadable=thing.due_unreadable,
            overdue=shown.overdue,
            reference=thing.reference,
        )
