"""Slots: a pure function of timetable, zone and now."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.tables import cron as crontab
from config.timetable import Timetable

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MOMENTS = st.integers(0, 730 * 86_400).map(
    lambda seconds: datetime(2019, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
SPANS = st.sampled_from([timedelta(minutes=m) for m in (1, 7, 15, 30, 60, 90, 600, 1440)])
TABLES = st.one_of(
    st.builds(lambda every, zone: Timetable(every, None, zone), SPANS, st.sampled_from([SHANGHAI, BERLIN])),
    st.builds(
        lambda cron, zone: Timetable(None, cron, zone),
        st.sampled_from(["0 7 * * *", "*/20 * * * *", "30 6 * * mon", "0 7,12,18 * * *"]),
        st.sampled_from([SHANGHAI, BERLIN]),
    ),
)


@given(TABLES, MOMENTS)
def test_the_slot_of_a_moment_is_the_last_that_is_not_later(table: Timetable, moment: datetime) -> None:
    slot = table.at(moment)
    assert slot <= moment < table.after(slot)
    assert table.at(slot) == slot


@given(TABLES, MOMENTS, st.integers(0, 3600))
def test_everybody_names_the_same_slot_whenever_they_look(table: Timetable, moment: datetime, later: int) -> None:
    slot = table.at(moment)
    seen_later = moment + timedelta(seconds=later)
    if seen_later < table.after(slot):
        assert table.at(seen_later) == slot


@given(TABLES, MOMENTS)
def test_no_gap_is_longer_than_the_longest(table: Timetable, moment: datetime) -> None:
    slot = table.after(moment)
    assert table.after(slot) - slot <= table.longest_gap() + timedelta(hours=1)


def test_it_counts_from_local_midnight() -> None:
    every = Timetable(timedelta(minutes=90), None, SHANGHAI)
    assert every.at(datetime(2019, 5, 25, 0, 10, tzinfo=UTC)) == datetime(2019, 5, 24, 23, 30, tzinfo=UTC)
    assert every.after(datetime(2019, 5, 25, 15, 0, tzinfo=UTC)) == datetime(2019, 5, 25, 16, 0, tzinfo=UTC)


def test_a_day_of_25_hours_has_its_slots_too() -> None:
    hourly = Timetable(timedelta(hours=1), None, BERLIN)
    slot, seen = datetime(2019, 10, 26, 22, 0, tzinfo=UTC), 0
    while slot < datetime(2019, 10, 27, 23, 0, tzinfo=UTC):
        slot, seen = hourly.after(slot), seen + 1
    assert seen == 25


@pytest.mark.parametrize(
    ("table", "fresh"),
    [
        (Timetable(timedelta(minutes=15), None, SHANGHAI), timedelta(hours=4)),
        (Timetable(timedelta(hours=2), None, SHANGHAI), timedelta(hours=6)),
        (Timetable(None, "0 7 * * *", SHANGHAI), timedelta(days=3)),
        (Timetable(None, "0 7,12,18 * * *", SHANGHAI), timedelta(hours=39)),
    ],
)
def test_an_answer_is_fresh_for_three_missed_slots_and_four_hours_at_least(table: Timetable, fresh: timedelta) -> None:
    assert table.fresh_for() == fresh


NEW_YORK, LORD_HOWE = ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
ZONES = sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
#: Fixed times, times about midnight and the usual hours of change, and lines that repeat through the day.
LINES = (
    "30 1 * * *", "30 2 * * *", "0 2,3 * * 0-6", "30 23 * * *", "0 0 * * *", "15 0 * * *", "15 2 1-7 * *",
    "*/15 * * * *", "7 * * * *", "*/20 1-3 * * *", "0 */2 * * *", "0 7 * * 1-5", "30 2 * 3,4,9-11 sun",
)  # fmt: skip
EVERY = tuple(timedelta(minutes=m) for m in (15, 45, 60, 90, 360, 1440))


@lru_cache(maxsize=4096)
def changes_of(zone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """Return when the zone's clocks are moved in a year, to the minute, in UTC."""
    found: list[datetime] = []
    day = datetime(year, 1, 1, tzinfo=UTC)
    while day.year == year:
        low, high = day, day + timedelta(days=1)
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            while high - low > timedelta(minutes=1):
                middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        day += timedelta(days=1)
    return tuple(found)


def change_from(zone: ZoneInfo, year: int, which: int) -> tuple[ZoneInfo, datetime]:
    """Return a change of clocks in the first year from this one that has any; the new year where no year does."""
    for later in range(year, 2038):
        if changes := changes_of(zone, later):
            return zone, changes[which % len(changes)]
    return zone, datetime(year, 1, 1, tzinfo=UTC)


AT_A_CHANGE = st.builds(change_from, st.sampled_from(ZONES).map(ZoneInfo), st.integers(1975, 2037), st.integers(0, 3))


def slots_between(table: Timetable, start: datetime, end: datetime, at_most: int) -> list[datetime]:
    """Return the slots after `start` and before `end`; fails where there are more than there may be."""
    found: list[datetime] = []
    slot = table.after(start)
    while slot < end:
        found.append(slot)
        assert len(found) <= at_most
        following = table.after(slot)
        assert following > slot
        slot = following
    return found


@given(AT_A_CHANGE, st.one_of(st.sampled_from(LINES), st.sampled_from(EVERY)), st.integers(0, 7200))
def test_slots_about_a_change_of_clocks_come_once_and_in_order(
    change: tuple[ZoneInfo, datetime], schedule: str | timedelta, seconds: int
) -> None:
    zone, moment = change
    table = Timetable(None, schedule, zone) if isinstance(schedule, str) else Timetable(schedule, None, zone)
    start, end = moment - timedelta(hours=30), moment + timedelta(hours=30)
    slots = slots_between(table, start, end, at_most=300)
    assert slots == sorted(set(slots))
    for slot in slots:
        assert table.at(slot) == slot
        assert table.at(table.after(slot) - timedelta(microseconds=1)) == slot
    # From whichever moment it is looked at, the slots are the same ones.
    later = moment - timedelta(hours=1) + timedelta(seconds=seconds)
    assert slots_between(table, later, end, at_most=300) == [slot for slot in slots if slot > later]
    assert table.at(later) == max((s for s in slots if s <= later), default=table.at(later))


@given(AT_A_CHANGE, st.sampled_from(LINES))
def test_a_line_comes_about_a_change_of_clocks_as_a_wall_clock_shows_it(
    change: tuple[ZoneInfo, datetime], line: str
) -> None:
    zone, moment = change
    start, cron = moment - timedelta(hours=26), crontab.parse_line(line)
    # Minute by minute, what the clock on the wall shows.
    minutes = [start + timedelta(minutes=m) for m in range(52 * 60)]
    shown = [minute.astimezone(zone).replace(tzinfo=None) for minute in minutes]
    wanted: set[datetime] = set()
    # A day that is skipped whole is among them.
    days = [shown[0].date() + timedelta(days=d) for d in range((shown[-1].date() - shown[0].date()).days + 1)]
    for wall in (datetime.combine(day, time) for day in days if cron.on(day) for time in cron.times):
        if not shown[0] < wall < shown[-1]:
            continue
        first = next(i for i, seen in enumerate(shown) if seen >= wall)
        wanted.add(minutes[first])
        if cron.repeating:
            wanted |= {minute for minute, seen in zip(minutes, shown, strict=True) if seen == wall}
    inner_start, inner_end = moment - timedelta(hours=24), moment + timedelta(hours=24)
    slots = slots_between(Timetable(None, line, zone), inner_start, inner_end, at_most=300)
    assert slots == sorted(slot for slot in wanted if inner_start < slot < inner_end)


def local(zone: ZoneInfo, slots: list[datetime]) -> list[str]:
    """Return slots as the wall shows them, with the zone's word for the time."""
    return [f"{slot.astimezone(zone):%H:%M %Z}" for slot in slots]


@pytest.mark.parametrize(
    ("line", "zone", "day", "seen"),
    [
        # The hour from 1 to 2 comes twice on 3 November 2019, the hour from 2 to 3 not at all on 10 March.
        ("30 1 * * *", NEW_YORK, (2019, 11, 3), ["01:30 EDT"]),
        ("0,30 1,2 * * *", NEW_YORK, (2019, 11, 3), ["01:00 EDT", "01:30 EDT", "02:00 EST", "02:30 EST"]),
        ("*/30 1 * * *", NEW_YORK, (2019, 11, 3), ["01:00 EDT", "01:30 EDT", "01:00 EST", "01:30 EST"]),
        ("30 2 * * *", NEW_YORK, (2019, 3, 10), ["03:00 EDT"]),
        ("0,30 2 * * *", NEW_YORK, (2019, 3, 10), ["03:00 EDT"]),
        ("*/30 1-3 * * *", NEW_YORK, (2019, 3, 10), ["01:00 EST", "01:30 EST", "03:00 EDT", "03:30 EDT"]),
        # Half an hour is skipped there.
        ("15 2 * * *", LORD_HOWE, (2019, 10, 6), ["02:30 +11"]),
    ],
)
def test_a_skipped_time_comes_at_the_next_moment_and_a_repeated_one_once(
    line: str, zone: ZoneInfo, day: tuple[int, int, int], seen: list[str]
) -> None:
    start = datetime(*day, tzinfo=zone).astimezone(UTC) - timedelta(seconds=1)
    slots = slots_between(Timetable(None, line, zone), start, start + timedelta(hours=23), at_most=10)
    assert local(zone, slots) == seen


def test_a_day_that_a_zone_skipped_has_its_slot_when_the_next_begins() -> None:
    apia = ZoneInfo("Pacific/Apia")
    table = Timetable(None, "0 7 30 12 *", apia)
    slot = table.after(datetime(2011, 12, 1, tzinfo=UTC))
    assert slot.astimezone(apia).replace(tzinfo=None) == datetime(2011, 12, 31)  # noqa: DTZ001 - as the wall shows it
    daily = Timetable(timedelta(days=1), None, apia)
    assert daily.after(datetime(2011, 12, 29, 12, tzinfo=UTC)) == slot


def test_weekdays_are_counted_as_crontab_counts_them() -> None:
    week = [datetime(2019, 5, 20 + day, 3, tzinfo=UTC) for day in range(7)]

    def days(field: str) -> str:
        table = Timetable(None, f"0 7 * * {field}", SHANGHAI)
        start = datetime(2019, 5, 19, 16, tzinfo=UTC)
        slots = slots_between(table, start, start + timedelta(days=7), at_most=7)
        seen = {slot.astimezone(SHANGHAI).date() for slot in slots}
        return "".join("1" if day.date() in seen else "." for day in week)

    assert days("1-5") == days("mon-fri") == days("MON-FRI") == "11111.."
    assert days("0") == days("7") == days("sun") == "......1"
    assert days("5-7") == days("fri-sun") == "....111"
    assert days("0-6") == days("0-7") == days("*") == "1111111"
    assert days("mon,wed") == days("1-4/2") == "1.1...."
    assert days("*/2") == ".1.1.11"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("@daily", 'write "0 0 \\* \\* \\*"'),
        ("@reboot", "write five fields"),
        ("0 0 7 * * *", "has six fields"),
        ("0 7 * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("0 7 31 2 *", "never runs"),
        ("0 7 30,31 2 *", "never runs"),
        ("0 7 31 4,6,9,11 *", "never runs"),
        ("0 7 1 * 1", "a day of month and a day of week"),
        ("0 7 */2 * mon", "a day of month and a day of week"),
        ("60 7 * * *", '"60" is not a minute'),
        ("0 24 * * *", '"24" is not a hour'),
        ("0 7 0 * *", '"0" is not a day of month'),
        ("0 7 * 13 *", '"13" is not a month'),
        ("0 7 * * 8", '"8" is not a day of week'),
        ("0 7 * * monday", "is not a day of week"),
        ("0 7 * * 5-1", "runs backwards"),
        ("*/0 * * * *", "has a step"),
        ("*/90 * * * *", "has a step"),
        ("5/15 * * * *", 'write "5-59/15"'),
        ("0 7 ? * *", "is not a day of month"),
        ("0 7 L * *", "is not a day of month"),
        ("0 7 * * 1#2", "is not a day of week"),
        ("٣ 7 * * *", "is not a minute"),
    ],
)
def test_a_line_that_crontab_would_read_otherwise_or_not_at_all_is_refused_with_the_fix(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        crontab.parse_line(line)


@pytest.mark.parametrize("line", ["0 7 29 2 *", "0  7\t* * *", "0 7 * feb-dec *", "0 7 31 1,2 *", "0-59/7 * * * *"])
def test_a_line_that_crontab_reads_comes_again_and_again(line: str) -> None:
    slots: list[datetime] = []
    table = Timetable(None, line, SHANGHAI)
    for _ in range(3):
        slots.append(table.after(slots[-1] if slots else datetime(2096, 12, 31, tzinfo=UTC)))
    assert slots == sorted(set(slots))
    assert table.at(slots[1]) == slots[1]
    assert max(b - a for a, b in pairwise(slots)) <= timedelta(days=8 * 366)
