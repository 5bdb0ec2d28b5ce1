"""The plain twin of the store: dictionaries, and the design's rule written once more in a few lines.

It shares no code with the rule, the store or the reader. Whatever the program does, everybody must stand where this
reports they stand, and every decision must still be what it was when it was entered.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

Row = Mapping[str, Any]

SOURCES = {"library": ("loans", "fines"), "finance": ("fees",), "dorm": ("checkouts",)}
STEP_OF = {source: step for step, sources in SOURCES.items() for source in sources}
MANUAL, REVIEW = "college_items", "final_review"
BEFORE_REVIEW = (*SOURCES, MANUAL)
STEPS = (*BEFORE_REVIEW, REVIEW)

KEY_COLUMN = {"loans": "CARD", "fines": "CARD", "fees": "XH", "checkouts": "学号"}
FRESH_FOR = timedelta(hours=4)
APPROVAL_OPEN_FOR = timedelta(hours=72)
OFF_CAMPUS = "校外走读"
CLEAR = ("cleared", "exempt")
GOOD = ("applied", "unchanged")

#: The reason that is told when several sources give the same verdict for different ones: the first of these.
FIRST_REASON = (
    "owed", "not_done", "doubtful", "outside_population", "not_asked", "no_row", "refund_due", "done", "settled",
    "nothing_owed", "exempt_by_office",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Word:
    """What one source reports of one student, and the rows it reports it in."""

    verdict: str
    reason: str
    keys: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The finding of one step, and the run that found it."""

    verdict: str
    reason: str
    keys: tuple[str, ...] = ()
    run: int = 0


FIRST = {step: Found("unknown", "not_asked") for step in SOURCES} | {
    MANUAL: Found("unknown", "awaiting_decision"),
    REVIEW: Found("unknown", "awaiting_review"),
}


@dataclass(frozen=True, slots=True)
class Person:
    """One student as the registrar last listed them."""

    row: Row
    joined: datetime
    active: bool = True

    @property
    def flow(self) -> str | None:
        """Undergraduate, postgraduate, or no one who leaves this year."""
        if self.row["类别"] == "延期":
            return None
        return {"本科": "undergraduate", "硕士": "postgraduate"}[self.row["培养层次"]]

    @property
    def leaving(self) -> bool:
        """On the list, and leaving this year."""
        return self.active and self.flow is not None

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other numbers."""
        return tuple(sorted({number for number in (self.row["一卡通"], self.row["原学号"]) if number}))


@dataclass(slots=True)
class SourceRecord:
    """A decision with its whole life."""

    id: int
    student: str
    step: str
    verdict: str
    author: str
    reason: str
    words: str
    until: datetime | None
    entered_at: datetime
    answered: tuple[str, tuple[str, ...]]
    reviewed_versions: Mapping[str, str] = field(default_factory=dict)
    withdrawn: tuple[datetime, str] | None = None
    ended_at: datetime | None = None
    #: For a review: the steps whose answer was too old, each with that answer's moment.
    accepts: Mapping[str, datetime] = field(default_factory=dict)
    batch: int | None = None

    def active(self, now: datetime) -> bool:
        """Neither withdrawn nor past its end."""
        return self.withdrawn is None and (self.until is None or self.until > now)


@dataclass(slots=True)
class Paper:
    """A certificate with its whole life."""

    id: int
    student: str
    number: str
    issued_by: str
    revoked: tuple[datetime, str, str] | None = None
    collected: str = "self"
    #: When it left after waiting, and who handed it over.
    handed_over: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True)
class Stands:
    """What must be read of one step: all that pages, slips and reviews go by."""

    verdict: str
    state: str
    by_decision: bool
    stale: bool
    disputed: bool
    overtaken_by_debt: bool
    lapsed: bool
    clear: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """All that an office reported at one moment."""

    source: str
    rows: tuple[Row, ...]
    population: tuple[str, ...] | None
    began: datetime


@dataclass(slots=True)
class Model:
    """One cohort."""

    people: dict[str, Person] = field(default_factory=dict)
    #: (source, student) → what was last applied.
    words: dict[tuple[str, str], Word] = field(default_factory=dict)
    #: When the last good pull of each source began.
    asked: dict[str, datetime] = field(default_factory=dict)
    found: dict[tuple[str, str], Found] = field(default_factory=dict)
    decisions: dict[int, SourceRecord] = field(default_factory=dict)
    papers: dict[str, Paper] = field(default_factory=dict)
    #: Source → its full runs and how they ended.
    runs: dict[str, dict[int, str]] = field(default_factory=dict)
    #: Suspended runs: the answer that waits, and since when.
    waiting: dict[int, tuple[Answer, datetime]] = field(default_factory=dict)
    #: Source → the run that was left behind with its lease, and until when that lasts.
    leases: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    #: (source, student, when) of those who were asked about alone.
    rechecked: list[tuple[str, str, datetime]] = field(default_factory=list)

    # What an office's rows mean.

    def owners(self, key: str) -> list[str]:
        """Whom a number means: the leaving student of that number, or all who have it as another one."""
        number = key.strip().upper()
        if number in self.people and self.people[number].active:
            return [number] if self.people[number].leaving else []
        return [n for n, person in sorted(self.people.items()) if person.leaving and number in person.aliases]

    def read(self, answer: Answer) -> dict[str, Word]:
        """What the rows say by student: who is on the roster now, as the rule of one source reports it."""
        sure: dict[str, list[Row]] = {}
        doubtful: dict[str, list[Row]] = {}
        for row in answer.rows:
            whose = self.owners(row[KEY_COLUMN[answer.source]])
            for student in whose:
                (sure if len(whose) == 1 else doubtful).setdefault(student, []).append(row)
        words: dict[str, Word] = {}
        for student in sure.keys() | doubtful.keys():
            rows, unsure = sure.get(student, []), doubtful.get(student, [])
            word = _word(answer.source, rows) if rows else Word("unknown", "doubtful")
            if unsure and word.verdict != "held":
                word = Word("unknown", "doubtful")
            words[student] = replace(word, rows=(*sorted(map(repr, rows)), "doubt", *sorted(map(repr, unsure))))
        if answer.population is not None:
            known = {owner for number in answer.population if len(o := self.owners(number)) == 1 for owner in o}
            for student, person in self.people.items():
                if person.leaving and student not in known and student not in words:
                    words[student] = Word("unknown", "outside_population", rows=("outside",))
        return words

    def about_nobody(self, answer: Answer) -> bool:
        """Whether a first answer has rows, and neither a row nor its population is about anybody."""
        if answer.source == "roster" or answer.source in self.asked or not answer.rows:
            return False
        keys = [row[KEY_COLUMN[answer.source]] for row in answer.rows] + list(answer.population or ())
        return not any(self.owners(key) or self.is_listed(key) for key in keys)

    def is_listed(self, key: str) -> bool:
        """Whether a number is that of somebody on the list, leaving or staying."""
        number = key.strip().upper()
        return number in self.people and self.people[number].active

    def rule(self, student: str, step: str, just_asked: str = "") -> Found:
        """The rule of one step, from what all its sources reported last."""
        person = self.people[student]
        said = [self._of(source, student, person, source == just_asked) for source in SOURCES[step]]
        verdicts = [word.verdict for word in said]
        if "held" in verdicts:
            verdict = "held"
        elif step == "dorm" and person.row["楼栋"] == OFF_CAMPUS and verdicts != ["cleared"]:
            return Found("exempt", "exempt_by_roster")
        elif "unknown" in verdicts:
            verdict = "unknown"
        elif set(verdicts) == {"exempt"}:
            verdict = "exempt"
        else:
            verdict = "cleared"
        behind = [word for word in said if word.verdict == verdict]
        reason = min((word.reason for word in behind), key=FIRST_REASON.index)
        return Found(verdict, reason, tuple(sorted({key for word in behind for key in word.keys})))

    def _of(self, source: str, student: str, person: Person, just_asked: bool) -> Word:
        if (source, student) in self.words:
            return self.words[source, student]
        asked = self.asked.get(source)
        if not just_asked and (asked is None or asked < person.joined):
            return Word("unknown", "not_asked")
        return Word("unknown", "no_row") if source == "checkouts" else Word("cleared", "nothing_owed")

    # What runs do.

    def apply(self, answer: Answer, run: int, now: datetime) -> None:
        """A good pull replaces all that its source had reported, but of whom it was asked alone since."""
        if answer.source == "roster":
            self._list(answer, run, now)
            return
        source, step = answer.source, STEP_OF[answer.source]
        alone = {s for src, s, at in self.rechecked if src == source and at > answer.began}
        words = self.read(answer)
        self.asked[source] = answer.began
        for student, person in self.people.items():
            if not person.leaving:
                continue
            late = student in alone or person.joined > answer.began
            changed = not late and self._say(source, student, words.get(student))
            if changed or self.found[student, step].reason == "not_asked":
                self._find(student, step, run)

    def would_change(self, answer: Answer) -> dict[str, Word | None]:
        """Whose word an answer would change: the change that a person approves."""
        words = self.read(answer)
        leaving = [s for s, p in self.people.items() if p.leaving]
        source = answer.source
        return {s: words.get(s) for s in leaving if not _same(words.get(s), self.words.get((source, s)))}

    def _say(self, source: str, student: str, word: Word | None) -> bool:
        before = self.words.get((source, student))
        if word is None:
            self.words.pop((source, student), None)
        else:
            self.words[source, student] = word
        return before != word

    def _find(self, student: str, step: str, run: int, just_asked: str = "") -> None:
        found, before = self.rule(student, step, just_asked), self.found[student, step]
        if replace(before, run=0) != found:
            self.found[student, step] = replace(found, run=run)

    def _list(self, answer: Answer, run: int, now: datetime) -> None:
        """Who is new, back, or goes another way begins again, from this moment on; who is off the list is kept."""
        listed = {row["学号"]: row for row in answer.rows}
        for student, row in listed.items():
            before, person = self.people.get(student), Person(row, now)
            if before is not None and before.active and before.flow == person.flow:
                if before.row != row:
                    self.people[student] = replace(person, joined=before.joined)
                    if person.leaving:
                        self._find(student, "dorm", run)
                continue
            self._forget(student)
            self.people[student] = person
            for step in STEPS:
                self.found.pop((student, step), None)
                if person.leaving:
                    self.found[student, step] = FIRST[step]
        for student in self.people.keys() - listed.keys():
            self._forget(student)
            self.people[student] = replace(self.people[student], active=False)

    def _forget(self, student: str) -> None:
        for source in STEP_OF:
            self.words.pop((source, student), None)

    def recheck(self, answer: Answer, student: str, run: int) -> None:
        """One student's answer is replaced, and no other student's."""
        self._say(answer.source, student, self.read(answer).get(student))
        self._find(student, STEP_OF[answer.source], run, answer.source)
        self.rechecked.append((answer.source, student, answer.began))

    def would_clear(self, answer: Answer, student: str) -> bool:
        """Whether a recheck would clear: in the word that is stored of the source, or in the step."""
        source, step = answer.source, STEP_OF[answer.source]
        before = self._of(source, student, self.people[student], just_asked=False)
        stood = self.found[student, step]
        kept, said = self.words.get((source, student)), self.read(answer).get(student)
        self._say(source, student, said)
        after = self._of(source, student, self.people[student], just_asked=True)
        finds = self.rule(student, step, source)
        self._say(source, student, kept)
        word_clears = kept != said and before.verdict not in CLEAR and after.verdict in CLEAR
        return word_clears or (stood.verdict not in CLEAR and finds.verdict in CLEAR)

    def last_full(self, source: str) -> str:
        """How the source's latest full run ended."""
        runs = self.runs.get(source, {})
        return runs[max(runs)] if runs else ""

    def expire(self, now: datetime) -> None:
        """Suspended runs that no one decided within three days are over."""
        for run, (answer, since) in list(self.waiting.items()):
            if since < now - APPROVAL_OPEN_FOR:
                self.close(run, answer.source, "expired")

    def close(self, run: int, source: str, state: str) -> None:
        """A full run has ended."""
        self.waiting.pop(run, None)
        self.runs.setdefault(source, {})[run] = state

    # What people decide.

    def effective(self, student: str, step: str) -> SourceRecord | None:
        """The decision that was not withdrawn."""
        here = [d for d in self.decisions.values() if (d.student, d.step) == (student, step) and d.withdrawn is None]
        assert len(here) <= 1, here
        return here[0] if here else None

    def enter(self, said: SourceRecord) -> None:
        """A decision in the place of the one that was active."""
        assert said.id > max(self.decisions, default=0)
        before = self.effective(said.student, said.step)
        if before is not None:
            before.withdrawn = (said.entered_at, said.author)
        self.decisions[said.id] = said

    def certificate(self, student: str) -> Paper | None:
        """The certificate that a student holds."""
        return next((p for p in self.papers.values() if p.student == student and p.revoked is None), None)

    # What must be read.

    def stands(self, student: str, step: str, now: datetime) -> Stands:
        """What counts for one step at one moment, and all that is shown with it."""
        found, said = self.found[student, step], self.effective(student, step)
        active = said if said is not None and said.active(now) else None
        waits = self.waits_for(student, now) if step == REVIEW else ()
        decision = active
        if step == REVIEW and active is not None and active.verdict == "cleared" and not self.certificate(student):
            moved = active.reviewed_versions != self.version_tags(student, now)
            news = self.wants_news(student, now)
            missing = [step for step in waits if step not in news or active.accepts.get(step) != news[step]]
            decision = None if missing or moved else active
        verdict = decision.verdict if decision else found.verdict
        asked = [self.asked.get(source) for source in SOURCES.get(step, ())]
        times = [at for at in asked if at is not None]
        stale = decision is None and bool(times) and len(times) == len(asked) and now >= min(times) + FRESH_FOR
        disputed = decision is not None and decision.answered != (found.verdict, found.keys)
        overtaken_by_debt = (
            decision is not None
            and found.verdict == "held"
            and not (decision.answered[0] == "held" and set(found.keys) <= set(decision.answered[1]))
        )
        state = {
            "held": "not_done" if decision is None and found.reason == "not_done" else "held",
            "unknown": {MANUAL: "pending", REVIEW: "closed" if waits else "open"}.get(step, "unknown"),
        }.get(verdict, verdict)
        return Stands(
            verdict=verdict,
            state=state,
            by_decision=decision is not None,
            stale=stale,
            disputed=disputed,
            overtaken_by_debt=overtaken_by_debt,
            lapsed=decision is None and active is not None,
            clear=verdict in CLEAR and not stale and not overtaken_by_debt,
        )

    def waits_for(self, student: str, now: datetime) -> tuple[str, ...]:
        """The steps before the review that do not count as clear."""
        return tuple(step for step in BEFORE_REVIEW if not self.stands(student, step, now).clear)

    def wants_news(self, student: str, now: datetime) -> dict[str, datetime]:
        """The steps before the review that lack nothing but a newer answer, each with the moment of the last."""
        found: dict[str, datetime] = {}
        for step in BEFORE_REVIEW:
            stands = self.stands(student, step, now)
            if stands.verdict in CLEAR and stands.stale and not stands.overtaken_by_debt:
                found[step] = min(at for source in SOURCES[step] if (at := self.asked.get(source)) is not None)
        return found

    def version_tags(self, student: str, now: datetime) -> dict[str, str]:
        """What a review given now would rest on: of each step before it, the run and the decision that counts."""
        found: dict[str, str] = {}
        for step in BEFORE_REVIEW:
            said = self.effective(student, step)
            counts = said.id if said is not None and said.active(now) else 0
            found[step] = f"{self.found[student, step].run}:{counts}"
        return found

    def leaving(self) -> list[str]:
        """Everybody who is on the list and leaves this year."""
        return [student for student, person in self.people.items() if person.leaving]

    def tallies(self, now: datetime) -> dict[tuple[str, str], tuple[Counter[str], int, int]]:
        """College and step → how many students in each state, how many by decision, how many disputed."""
        counted: dict[tuple[str, str], tuple[Counter[str], int, int]] = {}
        for student in self.leaving():
            for step in STEPS:
                at, stands = (self.people[student].row["学院"], step), self.stands(student, step, now)
                states, decided, disputed = counted.get(at, (Counter(), 0, 0))
                states[stands.state] += 1
                told = stands.disputed and step != REVIEW
                counted[at] = (states, decided + stands.by_decision, disputed + told)
        return counted


def _same(one: Word | None, other: Word | None) -> bool:
    return (one and replace(one, rows=())) == (other and replace(other, rows=()))


def _word(source: str, rows: Sequence[Row]) -> Word:
    """What one source's rows say about the one student they surely mean."""
    match source:
        case "loans":
            return Word("held", "owed", _keys(f"loan:{row['BARCODE']}" for row in rows))
        case "fines":
            return _balance([(row["AMOUNT"], "fine:滞纳金:") for row in rows])
        case "fees":
            return _balance([(row["QFJE"], f"fee:{row['XM']}:") for row in rows])
        case _:
            undone = [row for row in rows if row["清退状态"] == "未清退"]
            if undone:
                return Word("held", "not_done", _keys(f"room:{row['房间']}:" for row in undone))
            told = {row["清退状态"] for row in rows}
            if not told <= {"已清退", "外宿"}:
                return Word("unknown", "doubtful")
            return Word("exempt", "exempt_by_office") if told == {"外宿"} else Word("cleared", "done")


def _balance(parts: Sequence[tuple[str, str]]) -> Word:
    try:
        amounts = [(Decimal(text), key) for text, key in parts]
    except InvalidOperation:
        return Word("unknown", "doubtful")
    total, keys = sum((amount for amount, _ in amounts), Decimal(0)), _keys(key for amount, key in amounts if amount)
    if total > 0:
        return Word("held", "owed", keys)
    return Word("cleared", "refund_due", keys) if total < 0 else Word("cleared", "settled")


def _keys(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(keys)))
