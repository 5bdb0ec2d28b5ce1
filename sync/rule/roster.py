"""The roster: from the registrar's list to the students that join, change and leave. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Literal

from connectors.port import Cell, Snapshot, SourceGarbled
from foundation.translation import tr
from status_db.guard_reasons import Figures, GuardReason, GuardReasonKind
from status_db.model import LONGEST_OF_ROSTER, digest_of, normalise_number
from status_db.student_numbers import LONGEST, is_empty
from sync.rule.guard import GuardGroup, GuardLimits, of_groups, plain
from sync.rule.records import text_of
from sync.rule.row_keys import refuse_what_is_no_number

#: The roster's own columns; every other mapped column is kept under `extra`.
COLUMNS = ("name", "level", "college", "class", "campus", "building", "category")


@dataclass(frozen=True, slots=True)
class FlowRule:
    """The students that a flow is for."""

    key: str
    levels: frozenset[str]
    #: None for every category.
    categories: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class RosterRule:
    """The meaning of the registrar's list, from the settings."""

    #: The registrar's word → the level.
    levels: Mapping[str, str]
    #: The registrar's word → whether such a student leaves this year; without any word, all students leave.
    categories: Mapping[str, Literal["leaving", "staying"]]
    #: Fields with another number of the same student.
    aliases: tuple[str, ...]
    #: In order: a student gets the first that fits.
    flows: tuple[FlowRule, ...]


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """One student of the registrar's list."""

    student: str
    #: In the order of COLUMNS, with the level from the settings.
    columns: tuple[str, ...]
    extra: Mapping[str, str]
    #: None for a student that does not leave this year.
    flow: str | None
    #: (number, field) for each other number.
    aliases: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> bytes:
        """Digest of everything about the student."""
        parts = (self.student, *self.columns, self.flow or "", repr(sorted(self.extra.items())), repr(self.aliases))
        return digest_of(part.encode() for part in parts)


@dataclass(frozen=True, slots=True)
class CurrentStudent:
    """One student as stored."""

    digest: bytes
    active: bool
    flow: str | None
    #: Its joining is later than now: the student was listed under a wrong clock.
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class RosterPlan:
    """The changes of a roster run, on a named revision."""

    base: int
    source_base: int
    #: New on the list, back on it, or in another flow: their steps start again.
    joined: tuple[RosterEntry, ...]
    #: The same flow, other particulars.
    changed: tuple[RosterEntry, ...]
    #: No longer on the list.
    left: tuple[str, ...]
    rows: int
    #: How many students of the list leave this year.
    leaving: int
    #: How many leaving students would no longer leave.
    dropped: int
    #: How many leaving students would start again in another flow.
    restarted: int = 0

    @property
    def empty(self) -> bool:
        """Return whether it changes nothing."""
        return not (self.joined or self.changed or self.left)

    @property
    def digest(self) -> bytes:
        """Digest of the difference and of the revision it is made on."""
        parts = [str(self.source_base).encode()]
        parts += [entry.digest for entry in (*self.joined, *self.changed)]
        return digest_of([*parts, *(student.encode() for student in self.left)])


def entries(rule: RosterRule, snapshot: Snapshot) -> dict[str, RosterEntry]:
    """Return the list by student number. Raises SourceGarbled for a list with a row that cannot be used."""
    found: dict[str, RosterEntry] = {}
    for at, row in enumerate(snapshot.rows):
        cells = dict(zip(snapshot.fields, row, strict=True))
        refuse_what_is_no_number("roster", [cells[kind] for kind in ("student", *rule.aliases)])
        number = "" if is_empty(cells["student"]) else normalise_number(cells["student"])
        if not number:
            place = snapshot.places[at] if snapshot.places is not None else at + 1
            raise SourceGarbled(
                tr(
                    "the roster has a row without a student number: row {place} ({name})",
                    place=place,
                    name=text_of(cells.get("name")) or tr("no name either"),
                ),
                tr("Have the registrar complete or remove the row."),
            )
        entry = _read_entry(rule, number, cells)
        for one in (number, *(alias for alias, _ in entry.aliases)):
            if len(one) > LONGEST:
                raise SourceGarbled(
                    tr(
                        'the roster has a number of {length:,} characters ("{start}…"); the limit is {most}',
                        length=len(one),
                        start=one[:40],
                        most=LONGEST,
                    ),
                    tr("Have the registrar correct it, or correct columns in [roster]."),
                )
        if found.setdefault(number, entry) != entry:
            raise SourceGarbled(
                tr("the roster has two different rows for student {number}", number=number),
                tr("Have the registrar remove one of the two rows."),
            )
    return found


def _read_entry(rule: RosterRule, number: str, cells: Mapping[str, Cell]) -> RosterEntry:
    values = {key: text_of(value) for key, value in cells.items() if key != "student"}
    level = rule.levels.get(values["level"])
    if level is None:
        raise SourceGarbled(
            tr(
                'the roster has the level "{level}" (student {number}), which the settings do not know',
                level=values["level"],
                number=number,
            ),
            tr("Add it to levels in [roster]."),
        )
    category = values.get("category", "")
    leaves = rule.categories.get(category, "leaving" if not rule.categories else None)
    if leaves is None:
        raise SourceGarbled(
            tr(
                'the roster has the category "{category}" (student {number}), which the settings do not know',
                category=category,
                number=number,
            ),
            tr("Add it to categories in [roster], as leaving or staying."),
        )
    values["level"] = level
    for column, most in LONGEST_OF_ROSTER.items():
        if len(text := values.get(column, "")) > most:
            raise SourceGarbled(
                tr(
                    'the roster has a {column} of {length:,} characters for student {number} ("{start}…"); the '
                    "limit is {most}",
                    column=column,
                    length=len(text),
                    number=number,
                    start=text[:40],
                    most=most,
                ),
                tr("Have the registrar shorten it, or correct columns.{column} in [roster].", column=column),
            )
    return RosterEntry(
        student=number,
        columns=tuple(values.get(column, "") for column in COLUMNS),
        extra={k: v for k, v in values.items() if k not in COLUMNS and k not in rule.aliases},
        flow=_flow_of(rule, number, level, category) if leaves == "leaving" else None,
        aliases=_read_aliases(rule, number, cells),
    )


def _flow_of(rule: RosterRule, number: str, level: str, category: str) -> str:
    for flow in rule.flows:
        if level in flow.levels and (flow.categories is None or category in flow.categories):
            return flow.key
    raise SourceGarbled(
        tr(
            'no flow fits student {number} (level "{level}", category "{category}")',
            number=number,
            level=level,
            category=category,
        ),
        tr("Add the level or category to a [[flow]]."),
    )


def _read_aliases(rule: RosterRule, number: str, cells: Mapping[str, Cell]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for kind in rule.aliases:
        alias = "" if is_empty(cells[kind]) else normalise_number(cells[kind])
        if alias and alias != number:
            found.setdefault(alias, kind)
    return tuple(sorted(found.items()))


def plan(
    base: int, source_base: int, listed: Mapping[str, RosterEntry], stored: Mapping[str, CurrentStudent]
) -> RosterPlan:
    """Return the plan: `listed` is the registrar's list, `stored` all students ever listed in this cohort."""
    joined: list[RosterEntry] = []
    changed: list[RosterEntry] = []
    for number, entry in sorted(listed.items()):
        known = stored.get(number)
        if known is None or not known.active or known.flow != entry.flow or known.ahead:
            joined.append(entry)
        elif known.digest != entry.digest:
            changed.append(entry)
    left = tuple(sorted(n for n, known in stored.items() if known.active and n not in listed))
    still = {n for n, entry in listed.items() if entry.flow}
    return RosterPlan(
        base=base,
        source_base=source_base,
        joined=tuple(joined),
        changed=tuple(changed),
        left=left,
        rows=len(listed),
        leaving=len(still),
        dropped=sum(1 for n, known in stored.items() if known.active and known.flow and n not in still),
        restarted=sum(
            1 for n in still if (known := stored.get(n)) and known.active and known.flow not in (None, listed[n].flow)
        ),
    )


def judge(
    roster: RosterPlan,
    limits: GuardLimits,
    recent_rows: Sequence[int],
    active: int,
    newly_exempt: int = 0,
    groups: Sequence[GuardGroup] = (),
) -> tuple[GuardReason, ...]:
    """Return every reason to suspend the roster: a person approves a list that moves many students' steps at once.

    `active` is the number of leaving students, `newly_exempt` how many of them new particulars would exempt from a step
    that does not count as clear, `groups` the colleges, campuses and buildings that would lose some.
    """
    if roster.empty or not recent_rows:
        return ()
    reasons: list[GuardReason] = []
    before = median(recent_rows)
    if before and not roster.rows:
        reasons.append(GuardReason(GuardReasonKind.ROSTER_EMPTY, {"before": f"{before:g}"}))
    elif (
        before - roster.rows > limits.rows_fall_count
        and roster.rows < Decimal(before) * (100 - limits.rows_fall_percent) / 100
    ):
        fall: Figures = {"before": f"{before:g}", "rows": roster.rows, "percent": plain(limits.rows_fall_percent)}
        reasons.append(GuardReason(GuardReasonKind.ROSTER_FALLS, fall))
    for moved, count, part, what in (
        (roster.dropped, limits.clear_count, limits.clear_percent, "leave_no_more"),
        (roster.restarted, limits.unknown_count, limits.unknown_percent, "begin_anew"),
        (newly_exempt, limits.clear_count, limits.clear_percent, "let_off"),
    ):
        if moved > max(Decimal(count), active * part / 100):
            figures: Figures = {"students": moved, "base": active, "what": what, "percent": plain(part), "count": count}
            reasons.append(GuardReason(GuardReasonKind.ROSTER_MOVES, figures))
    if active >= limits.all_of and roster.dropped * 2 >= active:
        others: Figures = {"students": roster.dropped, "base": active}
        reasons.append(GuardReason(GuardReasonKind.ROSTER_OTHERS, others))
    return (*reasons, *of_groups(groups, limits, GuardReasonKind.ROSTER_GROUP, {}))


def groups_of(columns: Mapping[str, Mapping[str, str]], dropped: Collection[str]) -> tuple[GuardGroup, ...]:
    """Return the groups with dropped students: `columns` maps each leaving student to its columns."""
    size, lost = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for student, shared in columns.items():
        size.update(shared.items())
        if student in dropped:
            lost.update(shared.items())
    total, all_lost = len(columns), sum(1 for student in columns if student in dropped)
    return tuple(
        GuardGroup(column, name, size[column, name], moved, total - size[column, name], all_lost - moved)
        for (column, name), moved in sorted(lost.items())
        if name
    )


def exempt(conditions: Sequence[Mapping[str, Collection[str]]], person: Mapping[str, str]) -> bool:
    """Return whether roster columns exempt a student: one condition that matches in all its columns is enough."""
    return any(all(person.get(column, "") in values for column, values in c.items()) for c in conditions)


def asked_since(began: datetime | None, joined_at: datetime) -> bool:
    """Return whether a snapshot began after the student joined."""
    return began is not None and began >= joined_at
