"""One step of a student in words, for the people that decide it: evidence, decision, conflicts and history.

Pure: the time and the language are passed in. Of the student's other steps, it shows only the state.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from config.settings import Settings
from portal.access.reader_context import COLUMNS, ReaderContext
from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.present import cards, reasons
from portal.present.cards import HistoryLine, StepLine
from portal.present.reasons import ObligationLine
from status_db import doubts
from status_db.effective_status import StepStatus
from status_db.model import Certificate, Decision, Obligation, StepKind, Verdict
from status_db.queries.dossier import Dossier, SourceFinding
from status_db.views import StudentView

#: How a certificate was collected.
_COLLECTED: Mapping[str, str] = {
    "": N_("待领取"),
    "self": N_("本人领取"),
    "agent": N_("他人代领"),
    "post": N_("邮寄"),
}


@dataclass(frozen=True, slots=True)
class DossierSource:
    """One source's record of the student."""

    title: str
    word: str
    mark: str
    tone: str
    sentence: str
    owed: tuple[ObligationLine, ...]
    total: str
    #: Why the record is in doubt. Empty if it is not.
    doubt: str
    #: When the source last answered. Empty if it never has.
    as_of: str
    #: Since when the record is unchanged, and the run that stored it. Empty and None if nothing is stored.
    since: str
    run: int | None


@dataclass(frozen=True, slots=True)
class DossierDecision:
    """One decision: its verdict and its details, each with a title."""

    number: int
    word: str
    mark: str
    tone: str
    #: Withdrawn or ended. Empty while it counts.
    ended: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DossierConflict:
    """A conflict between the sources and the decision."""

    sentence: str
    #: How to resolve it.
    advice: str
    tone: str
    #: Obligations at the time of the decision and now, each with whether it is new.
    then: tuple[str, ...] = ()
    now: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class OtherStep:
    """Another step of the student: its state alone."""

    step: str
    title: str
    word: str
    mark: str
    tone: str
    stale: str


@dataclass(frozen=True, slots=True)
class ReviewCheck:
    """Whether a review can pass."""

    #: The steps it waits for, besides newer data.
    waits: tuple[str, ...]
    #: The steps whose data are out of date, each with its time.
    old: tuple[str, ...]

    @property
    def opens(self) -> bool:
        """Whether the review can pass, if necessary with data that are out of date."""
        return not self.waits


@dataclass(frozen=True, slots=True)
class DossierStep:
    """One step of one student, for the people that decide it."""

    who: tuple[tuple[str, str], ...]
    step: StepLine
    #: What the office's data have, and since when. Empty for steps without a source.
    since: str
    sources: tuple[DossierSource, ...]
    #: The current decision. None if there is none or it was withdrawn.
    decision: DossierDecision | None
    disagreement: DossierConflict | None
    others: tuple[OtherStep, ...]
    earlier: tuple[DossierDecision, ...]
    history: tuple[HistoryLine, ...]
    certificate: tuple[tuple[str, str], ...]


def shown(reader: ReaderContext, dossier: Dossier, status: StepStatus, names: Mapping[str, str]) -> DossierStep:
    """Return the parts of a dossier that the desk shows for this step. `names` are the names of accounts."""
    language, settings, student, now = reader.language, reader.settings, dossier.student, reader.now
    own = [one for one in dossier.decisions if one.step == status.step]
    current = status.decision if status.decision is not None and status.decision.active(now) else None
    flips = [flip for flip in student.flips if flip.step == status.step]
    return DossierStep(
        who=_who(reader, student),
        step=_card_line(language, settings, student, status.step, now),
        since=_since(reader, status),
        sources=tuple(_source(reader, source_row) for source_row in dossier.findings.get(status.step, ())),
        decision=_decision(reader, current, names) if current is not None else None,
        disagreement=_disagreement(reader, dossier, status, current) if current is not None else None,
        others=tuple(_other(reader, student, other) for other in student.steps if other.step != status.step),
        earlier=tuple(_decision(reader, one, names) for one in own if current is None or one.id != current.id),
        history=cards.history(language, settings, flips, now),
        certificate=tuple(line for one in student.certificates for line in _certificate(reader, one, names)),
    )


def _since(reader: ReaderContext, status: StepStatus) -> str:
    language, step = reader.language, reader.settings.step_named(status.step)
    if status.kind is not StepKind.SYNCED:
        return ""
    return language.gettext(
        "%(office)s系统自 %(moment)s 起显示“%(word)s”",
        office=cards.office_name(language, step.office),
        moment=language.moment(status.since, reader.now),
        word=labels.say(language, labels.STATES, labels.state_of(status.finding.verdict, status.finding.reason)),
    )


def review_check(reader: ReaderContext, status: StepStatus) -> ReviewCheck:
    """Return what a review waits for."""
    old = status.waits_for_news
    return ReviewCheck(
        waits=tuple(reader.titles[step] for step in status.waits_for if step not in old),
        old=tuple(f"{reader.titles[step]} {reader.language.moment(at, reader.now)}" for step, at in old.items()),
    )


def _card_line(language: Language, settings: Settings, student: StudentView, step: str, now: datetime) -> StepLine:
    # As on the student's page, so that both have the same wording.
    (line,) = cards.step_lines(language, settings, student, now, {step})
    return line


def _who(reader: ReaderContext, student: StudentView) -> tuple[tuple[str, str], ...]:
    values = {
        "college": student.college,
        "class": student.class_name,
        "level": reader.word("level", student.level),
        "campus": student.campus,
        "building": student.building,
        "category": student.category,
    }
    return tuple((reader.language.gettext(COLUMNS[name]), value) for name, value in values.items() if value)


def _source(reader: ReaderContext, source_row: SourceFinding) -> DossierSource:
    language, source, record = reader.language, reader.settings.source[source_row.source], source_row.record
    title = language.pick(source.title, source.title_en) or source_row.source
    as_of = language.moment(source_row.as_of, reader.now) if source_row.as_of else ""
    if record is None:
        sentence = (
            language.gettext("该系统中没有这名学生的记录。") if as_of else language.gettext("尚未取得该系统的数据。")
        )
        return DossierSource(title, "", "", "", sentence, (), "", "", as_of, "", None)
    state, amount = labels.state_of(record.verdict, record.reason), reasons.total(record.obligations)
    several = sum(one.amount is not None for one in record.obligations) > 1
    return DossierSource(
        title=title,
        word=labels.say(language, labels.STATES, state),
        mark=labels.MARKS[state],
        tone=labels.TONES[state],
        sentence="" if record.obligations else reasons.plain(language, record.reason),
        owed=reasons.owed(language, record.obligations, reader.now),
        total=language.money(amount) if amount is not None and several else "",
        doubt=language.listed(_doubt(language, why, cell) for why, cell in doubts.parts_of(record.doubt)),
        as_of=as_of,
        since=language.moment(source_row.since, reader.now) if source_row.since else "",
        run=source_row.run,
    )


def _doubt(language: Language, why: str, cell: str) -> str:
    """Return why a record is in doubt: a text about its rows, or a match hint with its key. Others stay as they are."""
    if why in admin_labels.DOUBT_TEXTS:
        text = admin_labels.DOUBT_TEXTS[why]
        return language.gettext(text, cell=cell.strip("'")) if cell else language.gettext(text)
    code, _, key = why.partition(" ")
    return f"{labels.say(language, admin_labels.DOUBT, code)} {key}".strip() if code in admin_labels.DOUBT else why


def _decision(reader: ReaderContext, decision: Decision, names: Mapping[str, str]) -> DossierDecision:
    language, now, state = reader.language, reader.now, labels.state_of(decision.verdict)
    entered_later = decision.entered_at != decision.decided_at
    details = (
        (N_("办理人"), names.get(decision.author, decision.author)),
        (N_("原因") if decision.verdict is Verdict.HELD else N_("办理依据"), decision.reason),
        (N_("附加条件"), decision.condition),
        (N_("有效期至"), language.moment(decision.until, now) if decision.until else ""),
        (N_("文号"), decision.file_number),
        (N_("告知学生"), decision.words),
        (N_("内部备注"), decision.note),
        (N_("办理时间"), language.moment(decision.decided_at, now)),
        (N_("录入时间"), language.moment(decision.entered_at, now) if entered_later else ""),
        (N_("纸质单号"), decision.sheet),
        (N_("导入批号"), str(decision.batch or "")),
        (N_("采用过期数据"), language.listed(_accepted(reader, step, at) for step, at in decision.accepts.items())),
    )
    return DossierDecision(
        number=decision.id,
        word=labels.say(language, labels.STATES, state),
        mark=labels.MARKS[state],
        tone=labels.TONES[state],
        ended=_ended(reader, decision, names),
        lines=tuple((language.gettext(title), value) for title, value in details if value),
    )


def _accepted(reader: ReaderContext, step: str, at: str) -> str:
    return f"{reader.titles.get(step, step)} {reader.language.moment(datetime.fromisoformat(at), reader.now)}"


def _ended(reader: ReaderContext, decision: Decision, names: Mapping[str, str]) -> str:
    if decision.withdrawn_at is not None:
        return reader.language.gettext(
            "%(who)s 于 %(moment)s 撤回或重新办理",
            who=names.get(decision.withdrawn_by, decision.withdrawn_by),
            moment=reader.language.moment(decision.withdrawn_at, reader.now),
        )
    return "" if decision.active(reader.now) else reader.language.gettext("已失效")


def _disagreement(
    reader: ReaderContext, dossier: Dossier, status: StepStatus, decision: Decision
) -> DossierConflict | None:
    language, effective = reader.language, status.at(reader.now)
    if effective.lapsed:
        moved = [
            reader.titles[step]
            for step, version_tag in status.reviewable_versions.items()
            if step in status.waits_for or decision.reviewed_versions.get(step) != version_tag
        ]
        return DossierConflict(
            language.gettext("终审后，%(steps)s有变动，该终审已失效。", steps=language.listed(moved)),
            language.gettext("前面各环节办结后，请重新终审。"),
            "bad",
        )
    if not effective.disputed:
        return None
    names = _obligation_names(reader, dossier, status)
    then, found = decision.answered_verdict, status.finding
    sentence = language.gettext(
        "办理时各系统显示“%(then)s”，现在显示“%(now)s”。",
        then=labels.say(language, labels.STATES, labels.state_of(then)),
        now=labels.say(language, labels.STATES, labels.state_of(found.verdict, found.reason)),
    )
    if then is found.verdict:
        sentence = language.gettext("各系统的结论不变，但未结事项与办理时不同。")
    keep = language.gettext("仍须这样办理的，请在下面按现在的数据重新办理；不再需要的，请撤回。")
    if effective.overtaken_by_debt:
        counts = language.gettext("其中有办理后新增的未结事项，因此本环节不计为办结。")
    else:
        counts = language.gettext("原办理仍有效。")
    return DossierConflict(
        cards.spaced(language, sentence, counts),
        keep,
        "bad" if effective.overtaken_by_debt else "todo",
        then=tuple(names.get(key) or _of_key(language, key) for key in decision.answered_keys),
        now=tuple((names.get(key) or _of_key(language, key), key not in decision.answered_keys) for key in found.keys),
    )


def _obligation_names(reader: ReaderContext, dossier: Dossier, status: StepStatus) -> dict[str, str]:
    """Return key → last known name of each thing that this step ever had as an obligation."""
    obligations: list[Obligation] = []
    for flip in reversed(dossier.student.flips):
        obligations += flip.evidence if flip.step == status.step else ()
    for source_row in dossier.findings.get(status.step, ()):
        obligations += source_row.record.obligations if source_row.record is not None else ()
    shown_as = zip(obligations, reasons.owed(reader.language, obligations, reader.now), strict=True)
    return {one.key: " ".join(filter(None, (owed.what, owed.reference, owed.amount))) for one, owed in shown_as}


def _of_key(language: Language, key: str) -> str:
    """Return a name for an obligation of which only the key remains: its kind and the office's number."""
    kind, _, mark = key.partition(":")
    return f"{reasons.kind_word(language, kind)} {mark}".rstrip(": ")


def _other(reader: ReaderContext, student: StudentView, status: StepStatus) -> OtherStep:
    line = _card_line(reader.language, reader.settings, student, status.step, reader.now)
    return OtherStep(status.step, reader.titles[status.step], line.word, line.mark, line.tone, line.stale)


def _certificate(reader: ReaderContext, held: Certificate, names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    language = reader.language
    collected = language.gettext(_COLLECTED[held.collected])
    left = language.moment(held.collected_at, reader.now) if held.collected_at else ""
    return (
        (language.gettext("证书编号"), f"{held.kind} {held.number}"),
        (
            language.gettext("发放"),
            f"{language.moment(held.issued_at, reader.now)} {names.get(held.issued_by, held.issued_by)}",
        ),
        (language.gettext("领取"), " ".join(part for part in (collected, held.collector, left) if part)),
    )
