"""Whatever is in the settings, an office's answer, a file or on the command line: no command ends in a traceback.

Each ends with a documented exit code, reports why where that is not 0, and leaves no run without its end.
"""

import json
import math
import re
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearance import failures
from config.settings import Settings
from connectors import rest, sheet, sql
from tests import sizes
from tests.services.every_command import TEXTS, call, calls, commands
from tests.services.fixes import ends_with_the_fix
from tests.services.in_process import Ended
from tests.services.small import OWES, SETTINGS, Small

EVERY = tuple(commands())

#: As docs/running.md lists them.
DOCUMENTED = range(7)
USAGE = 2


def quick(daily: int) -> settings:
    """Return how to try: so often every day."""
    return settings(
        max_examples=sizes.times(daily),
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@pytest.fixture(autouse=True)
def nothing_is_unexpected(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have a test fail where a command would say that the error was unexpected.

    What a command writes under a hostile name stays in a folder of the test's.
    """
    here = tmp_path / "a" / "b" / "c"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)

    def fails(error: Exception) -> NoReturn:
        raise AssertionError(f"nobody expected {error!r}") from error

    monkeypatch.setattr(failures, "unexpected", fails)


def _messages(said: str) -> list[str]:
    """Return what must end with the fix: each mistake in the settings, the head of a list, else the whole."""
    mistakes = said.partition("in the settings:\n")[2]
    return re.split(r"\n +(?=\S)", mistakes) if mistakes else [said.partition(":\n")[0]]


def ends_well(small: Small, *words: str, stdin: str = "") -> Ended:
    """Run a command, and see that it ended as promised."""
    ended = small.ended(*words, stdin=stdin)
    assert ended.code in DOCUMENTED, ended
    assert "Traceback" not in ended.err, ended.err
    if ended.code not in (0, 3):
        said = ended.err.strip() or ended.out.strip()
        assert said, f"{words} says nothing"
        for message in _messages(said):
            fixes = ends_with_the_fix(message) or (ended.code == USAGE and "--help" in said)
            assert fixes, f"{words} says what happened, and not what to do: {message}"
    return ended


def every_run_has_ended(small: Small) -> None:
    """See that each run that was begun has its record."""
    if not (small.folder / "status.db").exists():
        return
    with closing(sqlite3.connect(small.folder / "status.db")) as database:
        assert database.execute("SELECT run, source FROM run WHERE state = 'running'").fetchall() == []


class TestCommandLines:
    @quick(40)
    @given(line=calls(EVERY), stdin=TEXTS)
    def test_any_words_after_any_command(self, university_of_three: Small, line: list[str], stdin: str) -> None:
        university_of_three.put_back()
        ends_well(university_of_three, *line, stdin=stdin.encode("utf-8", "replace").decode())
        every_run_has_ended(university_of_three)

    def test_no_message_is_cut_in_two_by_a_word_with_a_line_break(self, university_of_three: Small) -> None:
        word, cut = "a:\nsecond line.", list[tuple[list[str], str]]()
        for command in EVERY:
            for param in command.params:
                if param.name == "help" or (param.param_type_name == "option" and param.is_flag):
                    continue
                university_of_three.put_back()
                line = call(command, {param.name: word})
                ended = university_of_three.ended(*line)
                cut += [(line, said) for said in (ended.err, ended.out) if "\nsecond line" in said.lower()]
        assert cut == []

    def test_every_command_is_among_them(self) -> None:
        names = {" ".join(command.words) for command in EVERY}
        assert {"status", "sync", "runs show", "accounts add", "demo advance", "import results"} <= names


#: Texts that some setting takes, and others that look like it.
_SETTINGS_TEXTS = st.one_of(
    TEXTS,
    st.sampled_from(
        (
            *("env:NOWHERE", "file:nowhere", "file:.", "sqlite:///x.db", "sqlite://", "http://127.0.0.1:9", "http://["),
            *("9" * 30 + " h", "99999999 d", "9" * 5000 + " s", "0 s", "1 d", "* * * * *", "99 99 99 99 99", "*"),
            *("utf-7", "rot13", "SELECT 1", "SELECT", "loans", "library", "undergraduate", "roster", "sql", "pages"),
        )
    ),
)
_NUMBERS = st.sampled_from((0, -1, 1, 10**30, -(10**30), 2**63, 1e308, math.inf, math.nan))
_MOMENTS = st.sampled_from((date(1, 1, 1), datetime(9999, 12, 31, 23, 59), time(0, 0)))  # noqa: DTZ001 - TOML's own

#: What TOML can say.
VALUES = st.recursive(
    st.one_of(_SETTINGS_TEXTS, _NUMBERS, st.booleans(), _MOMENTS),
    lambda inside: st.one_of(st.lists(inside, max_size=3), st.dictionaries(TEXTS, inside, max_size=3)),
    max_leaves=6,
)


def _like(value: Any) -> st.SearchStrategy[Any]:
    """Return values of the same kind, which pass where another kind is refused at once."""
    match value:
        case str():
            return _SETTINGS_TEXTS
        case list():
            return st.lists(st.one_of(st.sampled_from(value or ["x"]), _SETTINGS_TEXTS), max_size=3)
        case dict() if all(isinstance(one, str) for one in value.values()):
            return st.dictionaries(
                st.one_of(st.sampled_from(sorted(value) or ["x"]), TEXTS), _SETTINGS_TEXTS, max_size=4
            )
        case _:
            return VALUES


def toml(value: Any) -> str:
    """Write a value as TOML."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value.encode("utf-8", "replace").decode()).replace("\x7f", "\\u007f")
        case float() if math.isinf(value) or math.isnan(value):
            return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
        case int() | float():
            return repr(value)
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case Mapping():
            return "{ " + ", ".join(f"{toml(key)} = {toml(one)}" for key, one in value.items()) + " }"
        case _:
            return str(value.isoformat())


def _tables(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the place of every table of the settings."""
    if isinstance(value, dict):
        yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from _tables(one, (*place, key))


_WHOLE = tomllib.loads(SETTINGS)
_PLACES = tuple(_tables(_WHOLE))


def _fields(model: Any) -> set[str]:
    """Return every key that some table knows, by walking from the whole settings down."""
    found, seen, left = set[str](), set[Any](), [model]
    while left:
        one = left.pop()
        if one in seen:
            continue
        seen.add(one)
        for name, field in getattr(one, "model_fields", {}).items():
            found.add(name)
            left += [part for part in _parts(field.annotation) if hasattr(part, "model_fields")]
    return found


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _parts(part)


KEYS = sorted({key for model in (Settings, rest.Settings, sql.Settings, sheet.Settings) for key in _fields(model)})


@st.composite
def hostile_settings(draw: st.DrawFn) -> str:
    """Return the settings with some values put in the place of others, or beside them."""
    whole: Any = tomllib.loads(SETTINGS)
    for _ in range(draw(st.integers(1, 2))):
        table: Any = whole
        step: Any
        for step in draw(st.sampled_from(_PLACES)):
            known = table.keys() if isinstance(table, dict) else range(len(table)) if isinstance(table, list) else ()
            if step not in known:
                break
            table = table[step]
        if isinstance(table, dict):
            key = draw(st.one_of(*[st.sampled_from([*table] or KEYS)] * 3, st.sampled_from(KEYS)))
            table[key] = draw(st.one_of(_like(table.get(key)), _like(table.get(key)), VALUES))
    return "".join(f"{toml(key)} = {toml(value)}\n" for key, value in whole.items())


_USES = (
    *(("check", "fines"), ("plan", "loans"), ("sync", "fines", "loans"), ("sources",), ("status", OWES)),
    *(("report",), ("verify",), ("db", "upgrade"), ("runs", "list")),
)


class TestSettings:
    @quick(80)
    @given(
        text=hostile_settings(),
        words=st.sampled_from(_USES),
    )
    def test_any_value_at_any_key(self, university_of_three: Small, text: str, words: tuple[str, ...]) -> None:
        university_of_three.put_back()
        university_of_three.file.write_text(text, encoding="utf-8")
        ends_well(university_of_three, *words)

    @quick(20)
    @given(
        raw=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
    )
    def test_any_bytes(self, university_of_three: Small, raw: bytes) -> None:
        university_of_three.file.write_bytes(raw)
        assert ends_well(university_of_three, "sources").code == 1

    def test_a_text_that_is_no_text_is_named_with_its_key(self, university_of_three: Small) -> None:
        university_of_three.change('name = "山海大学"', 'name = "山\\u0000海"\n"a\\u001b" = 1')
        university_of_three.change("SELECT reader", "SELECT \\u0007 reader")
        said = ends_well(university_of_three, "sources").err
        assert "institution.name: contains \\x00, which is not text: remove it" in said
        assert "institution.a\\x1b: contains \\x1b" in said
        assert "source.fines.query: contains \\x07" in said
        university_of_three.put_back()
        (university_of_three.folder / "status-url").write_bytes(b"sqlite:///status.db\0")
        university_of_three.change('"env:STATUS_URL:-sqlite:///status.db"', '"file:status-url"')
        assert "file:status-url contains \\x00, which is not text" in ends_well(university_of_three, "sources").err

    def test_a_span_of_time_beyond_all_dates_is_refused(self, university_of_three: Small) -> None:
        for span in ("9" * 30 + " h", "99999999 d", "9" * 5000 + " s"):
            university_of_three.put_back()
            university_of_three.change('every = "1 d"', f'every = "{span}"')
            said = ends_well(university_of_three, "sources").err
            assert said.rstrip().endswith("is longer than 10,000 days: write a shorter duration")

    def test_what_a_run_quotes_is_stored_whatever_it_is(self, university_of_three: Small) -> None:
        university_of_three.put_back()
        row = '{"reader": "\\u0000\\ud800", "title": "\\udfff", "due": 1}'
        university_of_three.loans_text(f'{{"total": 1, "rows": [{row}]}}')
        assert ends_well(university_of_three, "sync", "loans").code == 1
        assert university_of_three.json("runs", "list")[0]["state"] == "failed"


#: A cell as JSON holds it.
CELLS = st.recursive(
    st.one_of(
        TEXTS, st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from((OWES, " A1", 10**40, 2015001.0))
    ),
    lambda inside: st.one_of(st.lists(inside, max_size=2), st.dictionaries(TEXTS, inside, max_size=2)),
    max_leaves=3,
)
SQL_CELLS = st.one_of(
    TEXTS.map(lambda text: text.encode("utf-8", "replace").decode()),
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(max_size=6),
    st.sampled_from((OWES, "A1", 2015001)),
)
_OF_LOANS = dict.fromkeys(("reader", "title", "due", "barcode"), CELLS)
_ROWS = st.lists(st.fixed_dictionaries({}, optional=_OF_LOANS), max_size=4)
_LOOKS: tuple[tuple[str, ...], ...] = (
    *(("status", OWES), ("runs", "list"), ("unmatched",), ("sources",), ("verify",)),
    *(("runs", "show", "5"), ("report",), ("status", OWES, "--json")),
)


class TestOffices:
    def _synced(self, small: Small, source: str) -> None:
        checked, planned, synced = (ends_well(small, word, source).code for word in ("check", "plan", "sync"))
        # A check asks all that a sync asks: where it is green, nothing is refused.
        assert checked or synced in (0, 4), (checked, planned, synced)
        for words in _LOOKS:
            ends_well(small, *words)
        every_run_has_ended(small)
        with closing(sqlite3.connect(small.folder / "status.db")) as database:
            assert database.execute("SELECT count(*) FROM run WHERE source = ?", (source,)).fetchone()[0] >= 2

    @quick(4)
    @given(rows=_ROWS, total=st.one_of(st.none(), CELLS))
    def test_any_answer_of_an_api(self, university_of_three: Small, rows: list[dict[str, Any]], total: Any) -> None:
        university_of_three.put_back()
        university_of_three.loans_text(json.dumps({"total": len(rows) if total is None else total, "rows": rows}))
        self._synced(university_of_three, "loans")

    @quick(4)
    @given(rows=st.lists(st.tuples(SQL_CELLS, SQL_CELLS, SQL_CELLS), max_size=4))
    def test_any_rows_of_a_database(self, university_of_three: Small, rows: list[tuple[Any, ...]]) -> None:
        university_of_three.put_back()
        university_of_three.fines(rows)
        self._synced(university_of_three, "fines")

    @quick(3)
    @given(rows=st.lists(st.tuples(*[SQL_CELLS] * 6), min_size=1, max_size=3))
    def test_any_roster(self, university_of_three: Small, rows: list[tuple[Any, ...]]) -> None:
        university_of_three.put_back()
        university_of_three.roster(rows)
        self._synced(university_of_three, "roster")

    @quick(1)
    @given(rows=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=4))
    def test_any_list(self, university_of_three: Small, rows: list[tuple[str, ...]]) -> None:
        university_of_three.put_back()
        university_of_three.fees([("学号", "欠费", "项目"), *rows])
        self._synced(university_of_three, "fees")


#: A command that reads a list, the columns of the list, and words that some cell may hold.
_LISTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (
        ("import", "results", "LIST", "--step", "library", "--as", "librarian", "--without-wrong", "--with-conflicts"),
        ("学号", "姓名", "办理结果", "办理依据", "文号", "告知学生", "内部备注", "附加条件", "有效期至"),
    ),
    (("accounts", "import-grants", "LIST"), ("账号", "姓名", "权限", "环节", "范围", "届别")),
    (("accounts", "import-identities", "LIST"), ("学号", "证件号码")),
)
_IN_LISTS = st.one_of(
    TEXTS,
    st.sampled_from((OWES, "张一", "通过", "不通过", "赔书", "2099-01-01", "9999-12-31", "0001-01-01", "45000")),
    st.sampled_from(("librarian", "new", "decide", "library", "college=文学院", "2019", "11010519491231002X")),
)


class TestFiles:
    @quick(2)
    @given(data=st.data(), which=st.sampled_from(_LISTS))
    def test_any_list_that_a_command_reads(
        self, university_of_three: Small, data: st.DataObject, which: tuple[tuple[str, ...], tuple[str, ...]]
    ) -> None:
        words, columns = which
        rows = data.draw(st.lists(st.tuples(*[_IN_LISTS] * len(columns)), max_size=3))
        file = university_of_three.folder / "list.csv"
        lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in (columns, *rows)]
        file.write_bytes("\r\n".join(lines).encode("utf-8", "replace"))
        university_of_three.put_back()
        university_of_three.change('contact = "学生处"\n', 'contact = "学生处"\n[auth]\nidentity = "first"\n')
        ends_well(university_of_three, *(str(file) if word == "LIST" else word for word in words))
        ends_well(university_of_three, "verify")
