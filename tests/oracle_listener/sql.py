"""Oracle SQL over an SQLite file: types, schema, translation and built-in functions.

Only queries are translated.  What cannot be answered the way Oracle would answer it
is refused with an ORA number (ORA-03001 where the test server itself is the limit).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlglot import exp, parse_one, transforms
from sqlglot.dialects.oracle import Oracle
from sqlglot.errors import SqlglotError

MESSAGES = {
    900: "invalid SQL statement",
    903: "invalid table name",
    904: "{}: invalid identifier",
    907: "missing right parenthesis",
    911: "invalid character",
    918: "column ambiguously defined",
    923: "FROM keyword not found where expected",
    932: "inconsistent datatypes",
    933: "SQL command not properly ended",
    936: "missing expression",
    937: "not a single-group group function",
    939: "too many arguments for function",
    942: "table or view does not exist",
    979: "not a GROUP BY expression",
    1001: "invalid cursor",
    1008: "not all variables bound",
    1013: "user requested cancel of current operation",
    1017: "invalid username/password; logon denied",
    1031: "insufficient privileges",
    1033: "ORACLE initialization or shutdown in progress",
    1034: "ORACLE not available",
    2391: "exceeded simultaneous SESSIONS_PER_USER limit",
    1089: "immediate shutdown or close in progress - no operations are permitted",
    1403: "no data found",
    1426: "numeric overflow",
    1476: "divisor is equal to zero",
    1555: 'snapshot too old: rollback segment number 7 with name "_SYSSMU7$" too small',
    1722: "invalid number",
    1756: "quoted string not properly terminated",
    1789: "query block has incorrect number of result columns",
    1821: "date format not recognized",
    1830: "date format picture ends before converting entire input string",
    1839: "date not valid for month specified",
    1840: "input value not long enough for date format",
    1843: "not a valid month",
    1847: "day of month must be between 1 and last day of month",
    1850: "hour must be between 0 and 23",
    1858: "a non-numeric character was found where a numeric was expected",
    1861: "literal does not match format string",
    2248: "invalid option for ALTER SESSION",
    3001: "unimplemented feature ({})",
    3113: "end-of-file on communication channel",
    3115: "unsupported network datatype or representation",
    12170: "TNS:Connect timeout occurred",
    28000: "The account is locked.",
    28001: "the password has expired",
    28002: "the password will expire within 7 days",
}


class OraError(Exception):
    """An error that the client sees as ORA-<code>."""

    def __init__(self, code: int, detail: str = "", offset: int = 0) -> None:
        self.code, self.detail, self.offset = code, detail, offset
        text = MESSAGES.get(code, detail or "error")
        self.text = f"ORA-{code:05}: {text.format(detail) if '{}' in text else text}"
        super().__init__(self.text)


# ---------------------------------------------------------------- types and schema

CHARACTER = frozenset({"VARCHAR2", "CHAR", "NVARCHAR2", "NCHAR", "CLOB", "NCLOB", "LONG"})
FIXED = frozenset({"CHAR", "NCHAR"})
TEMPORAL = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"})
LOBS = frozenset({"CLOB", "NCLOB", "BLOB"})
ALIASES = {
    "VARCHAR": "VARCHAR2",
    "INTEGER": "NUMBER",
    "INT": "NUMBER",
    "SMALLINT": "NUMBER",
    "DECIMAL": "NUMBER",
    "NUMERIC": "NUMBER",
    "FLOAT": "NUMBER",
    "TIMESTAMP WITH LOCAL TIME ZONE": "TIMESTAMP",
}
_TYPE = re.compile(
    r"^(?P<name>[A-Z_0-9 ]+?)\s*(?:\(\s*(?P<a>\d+|\*)\s*(?:,\s*(?P<b>-?\d+))?\s*"
    r"(?P<sem>BYTE|CHAR)?\s*\))?(?P<tz>\s*WITH(?: LOCAL)? TIME ZONE)?"
    r"(?P<nn>\s*NOT NULL)?$"
)


@dataclass(frozen=True)
class OraType:
    """A declared Oracle type; ``size`` is in characters for N* and CHAR semantics."""

    name: str
    size: int = 0
    char_semantics: bool = False
    precision: int = 0
    scale: int = -127
    nullable: bool = True

    @classmethod
    def parse(cls, text: str) -> OraType:
        match = _TYPE.match(" ".join(text.upper().split()))
        if match is None:
            raise ValueError(f"not an Oracle type: {text!r}")
        given = match["name"].strip() + (match["tz"] or "")
        name, first = ALIASES.get(given, given), match["a"]
        number = int(first) if first and first != "*" else None
        nullable = match["nn"] is None
        if name == "NUMBER":
            if given in ("INTEGER", "INT", "SMALLINT") or first == "*":
                return cls(name, precision=38, scale=int(match["b"] or 0), nullable=nullable)
            if given == "FLOAT":
                return cls(name, precision=number or 126, nullable=nullable)
            scale = -127 if number is None else int(match["b"] or 0)
            return cls(name, precision=number or 0, scale=scale, nullable=nullable)
        if name in TEMPORAL:
            scale = 0 if name == "DATE" else 6 if number is None else number
            return cls(name, scale=scale, nullable=nullable)
        if name in ("VARCHAR2", "CHAR", "NVARCHAR2", "NCHAR", "RAW"):
            wide = name.startswith("N") or match["sem"] == "CHAR"
            return cls(name, size=number or 1, char_semantics=wide, scale=0, nullable=nullable)
        if name in LOBS or name in ("LONG", "BINARY_DOUBLE", "BINARY_FLOAT"):
            return cls(name, scale=0, nullable=nullable)
        raise ValueError(f"unsupported Oracle type: {text!r}")

    def pad(self, value: str) -> str:
        """Blank-pad a value of a fixed-length type to its declared length."""
        if self.name not in FIXED:
            return value
        used = len(value) if self.char_semantics else len(value.encode())
        return value + " " * max(0, self.size - used)


NUMBER, DATE = OraType("NUMBER"), OraType("DATE", scale=0)
TIMESTAMP_TZ = OraType("TIMESTAMP WITH TIME ZONE", scale=6)
NULL_TYPE = OraType("VARCHAR2", 1, scale=0)


def text_type(size: int = 4000) -> OraType:
    return OraType("VARCHAR2", size, scale=0)


Columns = dict[str, OraType]


@dataclass
class Schema:
    """The tables a client can see: table → column → type, all owned by one user."""

    tables: dict[str, Columns]
    owner: str = "LIBSYS"

    @classmethod
    def of(cls, source: Schema | Mapping[str, Mapping[str, str]] | str | Path, owner: str = "LIBSYS") -> Schema:
        if isinstance(source, Schema):
            return source
        if isinstance(source, (str, Path)):
            return cls.of(json.loads(Path(source).read_text(encoding="utf-8")), owner)
        tables: Mapping[str, Mapping[str, str]] = source
        return cls(
            {
                table: {column: OraType.parse(kind) for column, kind in columns.items()}
                for table, columns in tables.items()
            },
            owner,
        )


def canonical(value: object) -> Any:
    """A Python value as SQLite stores it here: ISO text for dates, '' is NULL."""
    if isinstance(value, datetime):
        if value.tzinfo is not None:
            value = value.astimezone(UTC).replace(tzinfo=None)
        return value.isoformat(sep=" ", timespec="microseconds" if value.microsecond else "seconds")
    if isinstance(value, date):
        return f"{value.isoformat()} 00:00:00"
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < 2**63 else float(value)
    return None if value == "" else value


def load(path: str | Path, schema: Schema, rows: Mapping[str, Iterable[Sequence[object]]]) -> None:
    """Create the tables of ``schema`` in an SQLite file and fill them, padding CHARs."""
    affinity = {"NUMBER": "NUMERIC", "BINARY_DOUBLE": "REAL", "BINARY_FLOAT": "REAL", "BLOB": "BLOB", "RAW": "BLOB"}
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")  # so that a test can write while a cursor is open
        for table, columns in schema.tables.items():
            body = ", ".join(f'"{c}" {affinity.get(t.name, "TEXT")}' for c, t in columns.items())
            db.execute(f'CREATE TABLE IF NOT EXISTS "{table}" ({body})')
            kinds = list(columns.values())
            marks = ", ".join("?" * len(kinds))
            cells = (
                [k.pad(v) if isinstance(v, str) else v for k, v in zip(kinds, map(canonical, row), strict=True)]
                for row in rows.get(table, ())
            )
            db.executemany(f'INSERT INTO "{table}" VALUES ({marks})', cells)
    db.close()


# ---------------------------------------------------------------- dates and numbers as text

_TOKENS = re.compile(
    r'"[^"]*"|FF\d?|HH24|HH12|YYYY|RRRR|MONTH|A\.M\.|P\.M\.|DDD|MON|DAY|IW|WW|HH|MI|MM'
    r"|SS|YY|RR|DD|DY|AM|PM|FM|FX|Q|D|[-/,.;: ]|.",
    re.IGNORECASE | re.DOTALL,
)
_MONTHS = [
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
]
_DAYS = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]


def _cased(word: str, token: str) -> str:
    return word if token.isupper() else word.lower() if token.islower() else word.capitalize()


def format_date(when: datetime, fmt: str) -> str:
    fill, out = True, []
    for token in _TOKENS.findall(fmt):
        key = token.upper()
        numbers = {
            "YYYY": (when.year, 4),
            "RRRR": (when.year, 4),
            "YY": (when.year % 100, 2),
            "RR": (when.year % 100, 2),
            "MM": (when.month, 2),
            "DD": (when.day, 2),
            "DDD": (when.timetuple().tm_yday, 3),
            "HH24": (when.hour, 2),
            "MI": (when.minute, 2),
            "HH12": (when.hour % 12 or 12, 2),
            "HH": (when.hour % 12 or 12, 2),
            "SS": (when.second, 2),
            "Q": ((when.month + 2) // 3, 1),
            "IW": (when.isocalendar()[1], 2),
            "WW": ((when.timetuple().tm_yday + 6) // 7, 2),
            "D": (when.isoweekday() % 7 + 1, 1),
        }
        if key in numbers:
            value, width = numbers[key]
            out.append(str(value).zfill(width) if fill else str(value))
        elif key in ("FM", "FX"):
            fill = fill if key == "FX" else not fill
        elif key.startswith("FF"):
            out.append(f"{when.microsecond:06}000"[: int(key[2:] or 6)])
        elif key in ("MONTH", "DAY", "MON", "DY"):
            word = _MONTHS[when.month - 1] if key[0] == "M" else _DAYS[when.weekday()]
            word = word[:3] if key in ("MON", "DY") else word.ljust(9) if fill else word
            out.append(_cased(word, token))
        elif key in ("AM", "PM"):
            out.append(_cased("AM" if when.hour < 12 else "PM", token))
        elif token.startswith('"'):
            out.append(token[1:-1])
        elif token.isalnum():
            raise OraError(1821)
        else:
            out.append(token)
    return "".join(out)


def parse_date(text: str, fmt: str) -> datetime:
    text, pos, found = text.strip(), 0, {"month": 1, "day": 1}
    widths = {"YYYY": 4, "RRRR": 4, "YY": 2, "RR": 2, "MM": 2, "DD": 2, "HH24": 2, "HH12": 2, "HH": 2, "MI": 2, "SS": 2}
    keys = {
        "YYYY": "year",
        "RRRR": "year",
        "MM": "month",
        "DD": "day",
        "HH24": "hour",
        "HH12": "hour",
        "HH": "hour",
        "MI": "minute",
        "SS": "second",
    }
    for token in _TOKENS.findall(fmt):
        key = token.upper()
        if key in ("FM", "FX"):
            continue
        if pos >= len(text):
            if key in ("HH24", "HH12", "HH", "MI", "SS") or key.startswith("FF") or not token.isalnum():
                continue
            raise OraError(1840)
        if key in widths or key.startswith("FF"):
            match = re.compile(r"\d{1,%d}" % widths.get(key, 9)).match(text, pos)
            if match is None:
                raise OraError(1858 if text[pos].isalpha() else 1861)
            pos, value = match.end(), int(match[0])
            if key.startswith("FF"):
                found["microsecond"] = int(match[0].ljust(6, "0")[:6])
            elif key in ("YY", "RR"):
                found["year"] = value + (1900 if key == "RR" and value > 49 else 2000)
            else:
                found[keys[key]] = value
        elif key in ("MON", "MONTH"):
            names = [m[:3] if key == "MON" else m for m in _MONTHS]
            hit = next((m for m in names if text[pos:].upper().startswith(m)), None)
            if hit is None:
                raise OraError(1843)
            found["month"], pos = names.index(hit) + 1, pos + len(hit)
        elif key in ("AM", "PM"):
            found["pm"], pos = int(text[pos : pos + 2].upper() == "PM"), pos + 2
        elif token.isalnum():
            raise OraError(1821)
        elif text[pos] == token or (not text[pos].isalnum() and not token.startswith('"')):
            pos += 1
        elif token.startswith('"') and text.startswith(token[1:-1], pos):
            pos += len(token) - 2
        else:
            raise OraError(1861)
    if pos < len(text):
        raise OraError(1830)
    pm = found.pop("pm", None)
    if pm is not None:
        found["hour"] = found.get("hour", 0) % 12 + 12 * pm
    now = datetime.now()
    found.setdefault("year", now.year)
    if not 1 <= found["month"] <= 12:
        raise OraError(1843)
    if not 1 <= found["day"] <= 31:
        raise OraError(1847)
    if found.get("hour", 0) > 23:
        raise OraError(1850)
    try:
        return datetime(
            found["year"],
            found["month"],
            found["day"],
            found.get("hour", 0),
            found.get("minute", 0),
            found.get("second", 0),
            found.get("microsecond", 0),
        )
    except ValueError as error:
        raise OraError(1839) from error


def format_number(value: float, fmt: str) -> str:
    fill = not fmt.upper().startswith("FM")
    body = fmt.upper().removeprefix("FM").replace("D", ".").replace("G", ",")
    whole, _, fraction = body.partition(".")
    digits = f"{abs(Decimal(repr(value))):.{len(fraction)}f}"
    left, _, right = digits.partition(".")
    places, left = len(whole.replace(",", "")), left.lstrip("0")
    least = len(whole.replace(",", "")) - whole.replace(",", "").find("0") if "0" in whole else 0
    left = left.zfill(least) if least else left
    if len(left) > places:
        return "#" * (len(body) + 1)
    if "," in whole:
        left = f"{int(left or 0):,}"
    if not fill and "0" not in fraction:
        right = right.rstrip("0")
    text = ("-" if value < 0 else "") + (left or ("" if fraction else "0")) + ("." + right if fraction else "")
    return text.rjust(len(body) + 1) if fill else text


def to_number(value: Any) -> int | float | None:
    if value is None or isinstance(value, (int, float)):
        return value
    try:
        number = Decimal(str(value).strip())
    except ArithmeticError as error:
        raise OraError(1722) from error
    result = canonical(number)
    assert isinstance(result, (int, float))
    return result


def to_datetime(value: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(value).strip())
    except ValueError as error:
        raise OraError(1861) from error


def add_months(when: datetime, months: int) -> datetime:
    last = (when + timedelta(days=1)).month != when.month
    index = when.year * 12 + when.month - 1 + months
    start = datetime(index // 12, index % 12 + 1, 1, when.hour, when.minute, when.second, when.microsecond)
    end = (start.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return end if last or when.day > end.day else start.replace(day=when.day)


# ---------------------------------------------------------------- built-in functions


NLS = {
    "NLS_LANGUAGE": "AMERICAN",
    "NLS_TERRITORY": "AMERICA",
    "NLS_CHARACTERSET": "AL32UTF8",
    "NLS_NCHAR_CHARACTERSET": "AL16UTF16",
    "NLS_DATE_FORMAT": "DD-MON-RR",
    "NLS_TIMESTAMP_FORMAT": "DD-MON-RR HH.MI.SSXFF AM",
    "NLS_NUMERIC_CHARACTERS": ".,",
    "NLS_SORT": "BINARY",
    "NLS_COMP": "BINARY",
    "NLS_LENGTH_SEMANTICS": "BYTE",
}


@dataclass
class Settings:
    """What a session can change with ALTER SESSION, and its clock."""

    user: str
    schema: str
    nls: dict[str, str] = field(default_factory=lambda: dict(NLS))
    clock: Callable[[], datetime] = datetime.now

    @property
    def date_format(self) -> str:
        return self.nls["NLS_DATE_FORMAT"]


def _number_text(value: Any) -> str:
    if isinstance(value, float):
        text = format(Decimal(f"{value:.15g}"), "f")
        return re.sub(r"^(-?)0\.", r"\1.", text.rstrip("0").rstrip(".") if "." in text else text)
    return str(value)


def _substr(text: str, start: Any, length: Any = None) -> str | None:
    begin = int(start)
    begin = len(text) + begin if begin < 0 else max(begin - 1, 0)
    if begin < 0 or (length is not None and length < 1):
        return None
    return text[begin:] if length is None else text[begin : begin + int(length)]


def _instr(text: str, part: str, start: int = 1, nth: int = 1) -> int:
    at = start - 2
    for _ in range(nth):
        at = text.find(part, at + 1)
        if at < 0:
            return 0
    return at + 1


def _pad(text: str, width: int, fill: str, left: bool) -> str:
    extra = (fill * width)[: max(0, width - len(text))]
    return (extra + text if left else text + extra)[:width]


def _strip(text: str, chars: str | None = None, where: str = "BOTH") -> str:
    chars = " " if chars is None else chars
    text = text if where == "TRAILING" else text.lstrip(chars)
    return text if where == "LEADING" else text.rstrip(chars)


def _trunc_date(value: str, fmt: str = "DD") -> object:
    when = to_datetime(value).replace(hour=0, minute=0, second=0, microsecond=0)
    key = fmt.upper()
    if key in ("YYYY", "YEAR", "YY", "Y"):
        when = when.replace(month=1, day=1)
    elif key in ("MM", "MON", "MONTH"):
        when = when.replace(day=1)
    elif key == "Q":
        when = when.replace(month=(when.month - 1) // 3 * 3 + 1, day=1)
    elif key == "IW":
        when -= timedelta(days=when.weekday())
    elif key in ("HH", "HH24", "MI"):
        full = to_datetime(value)
        when = full.replace(second=0, microsecond=0, minute=full.minute if key == "MI" else 0)
    elif key not in ("DD", "DDD", "J"):
        raise OraError(1821)
    return canonical(when)


def _round(value: float, places: int = 0, mode: str = "ROUND_HALF_UP") -> object:
    return canonical(Decimal(_number_text(value)).quantize(Decimal(1).scaleb(-int(places)), mode))


def _divide(left: Any, right: Any) -> object:
    a, b = to_number(left), to_number(right)
    if a is None or b is None:
        return None
    if b == 0:
        raise OraError(1476)
    return a // b if isinstance(a, int) and isinstance(b, int) and a % b == 0 else a / b


def _months_between(a: str, b: str) -> float:
    x, y = to_datetime(a), to_datetime(b)
    return (x.year - y.year) * 12 + x.month - y.month + (0 if x.day == y.day else (x.day - y.day) / 31)


Rule = OraType | str  # a fixed result type, or "A": the type of the first argument
#: name → (implementation, result type); a NULL first argument gives NULL
FUNCTIONS: dict[str, tuple[Callable[..., object], Rule]] = {
    "SUBSTR": (_substr, text_type()),
    "UPPER": (str.upper, "A"),
    # The clock is taken to be in UTC already.
    "SYS_EXTRACT_UTC": (lambda s: s, OraType("TIMESTAMP")),
    "LOWER": (str.lower, "A"),
    "INITCAP": (lambda s: s.title(), "A"),
    "LENGTH": (lambda s: len(str(s)), NUMBER),
    "LENGTHB": (lambda s: len(str(s).encode()), NUMBER),
    "INSTR": (_instr, NUMBER),
    "REPLACE": (lambda s, a, b="": s.replace(a, b or "") if a else s, text_type()),
    "LTRIM": (lambda s, c=" ": _strip(s, c, "LEADING"), text_type()),
    "RTRIM": (lambda s, c=" ": _strip(s, c, "TRAILING"), text_type()),
    "ORA_TRIM": (_strip, text_type()),
    "LPAD": (lambda s, n, f=" ": _pad(str(s), int(n), f, True), text_type()),
    "RPAD": (lambda s, n, f=" ": _pad(str(s), int(n), f, False), text_type()),
    "REGEXP_LIKE": (lambda s, p, f="": int(re.search(p, s, re.IGNORECASE if "i" in f else 0) is not None), NUMBER),
    "REGEXP_REPLACE": (lambda s, p, r="": re.sub(p, r or "", s), text_type()),
    "REGEXP_SUBSTR": (lambda s, p: (m := re.search(p, s)) and m[0], text_type()),
    "TRANSLATE": (
        lambda s, a, b: s.translate({ord(c): b[i] if i < len(b) else None for i, c in enumerate(a)}),
        text_type(),
    ),
    "CHR": (lambda n: chr(int(n)), text_type(4)),
    "ASCII": (lambda s: ord(s[0]), NUMBER),
    "ABS": (abs, NUMBER),
    "MOD": (lambda a, b: math.fmod(a, b) if b else a, NUMBER),
    "CEIL": (math.ceil, NUMBER),
    "FLOOR": (math.floor, NUMBER),
    "SIGN": (lambda n: (n > 0) - (n < 0), NUMBER),
    "POWER": (lambda a, b: a**b, NUMBER),
    "ORA_ROUND": (_round, NUMBER),
    "ORA_TRUNC_N": (lambda n, p=0: _round(n, p, "ROUND_DOWN"), NUMBER),
    "ORA_TRUNC_D": (_trunc_date, DATE),
    "TO_NUMBER": (lambda s, f=None: int(s, 16) if f and not f.strip("Xx") else to_number(s), NUMBER),
    # A real one gives RAW, which is of no use before RAWTOHEX has turned it.
    "STANDARD_HASH": (lambda s, a="SHA1": hashlib.new(a.lower(), str(s).encode()).hexdigest().upper(), text_type(128)),
    "RAWTOHEX": (lambda s: s, text_type(128)),
    "ADD_MONTHS": (lambda d, n: canonical(add_months(to_datetime(d), int(n))), DATE),
    "LAST_DAY": (lambda d: canonical(add_months(to_datetime(d).replace(day=1), 1) - timedelta(days=1)), DATE),
    "MONTHS_BETWEEN": (_months_between, NUMBER),
    "ORA_DATE_ADD": (
        lambda d, n: None if n is None else canonical(to_datetime(d) + timedelta(seconds=round(float(n) * 86400, 3))),
        DATE,
    ),
    "ORA_DATE_DIFF": (
        lambda a, b: None if b is None else (to_datetime(a) - to_datetime(b)) / timedelta(days=1),
        NUMBER,
    ),
    "ORA_EXTRACT": (lambda d, part: getattr(to_datetime(d), part.lower()), NUMBER),
    "ORA_CHAR_D": (lambda d, f: format_date(to_datetime(d), f), text_type(75)),
    "ORA_CHAR_N": (format_number, text_type(40)),
    "ORA_TEXT": (lambda v, n=4000: _number_text(v)[:n], text_type()),
    "ORA_DATE": (lambda s, f: canonical(parse_date(str(s), f)), DATE),
    "ORA_PAD": (lambda s, n: str(s)[:n].ljust(n), text_type()),
    "GREATEST": (lambda *a: None if None in a else max(a), "A"),
    "LEAST": (lambda *a: None if None in a else min(a), "A"),
}


class _ListAgg:
    """LISTAGG: the values in the order of their sort keys."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, Any]] = []
        self.separator, self.descending = "", False

    def step(self, value: Any, separator: str | None, key: Any, descending: int) -> None:
        self.separator, self.descending = separator or "", bool(descending)
        if value is not None:
            self.rows.append((key, value))

    def finalize(self) -> str | None:
        rows = sorted(self.rows, key=lambda row: (row[0] is None, row[0]), reverse=self.descending)
        return self.separator.join(_number_text(value) for _, value in rows) or None


@dataclass
class Rights:
    """What the views of privileges tell an account; ``told`` false hides the views."""

    system: tuple[str, ...] = ("CREATE SESSION",)
    tables: tuple[tuple[str, str], ...] = ()  # table, privilege
    by_role: tuple[tuple[str, str, str], ...] = ()  # role, table, privilege
    told: bool = True


class Engine:
    """One read-only SQLite connection that answers as one Oracle session."""

    def __init__(
        self,
        path: str | Path,
        schema: Schema,
        settings: Settings,
        service: str,
        version: str,
        rights: Rights | None = None,
    ) -> None:
        self.db = sqlite3.connect(
            f"{Path(path).resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False, isolation_level=None
        )
        self.schema, self.settings = schema, settings
        self.raised: OraError | None = None
        self.system = _system_tables(self.db, schema, settings, service, version, rights or Rights())
        self.db.execute("PRAGMA query_only = ON")
        self.db.execute("PRAGMA case_sensitive_like = ON")
        for name, (call, _) in FUNCTIONS.items():
            self.db.create_function(f"f_{name}", -1, self._guard(call))
        self.db.create_function(
            "f_ora_concat", 2, lambda a, b: "".join(_number_text(x) for x in (a, b) if x is not None) or None
        )
        self.db.create_function("f_ora_div", 2, self._guard(_divide))
        self.db.create_function("f_sysdate", 0, lambda: canonical(settings.clock().replace(microsecond=0)))
        self.db.create_function("f_systimestamp", 0, lambda: canonical(settings.clock()))
        self.db.create_function("f_sys_context", -1, self._context)
        self.db.create_aggregate("f_listagg", 4, _ListAgg)  # type: ignore[arg-type]

    def _guard(self, call: Callable[..., object]) -> Callable[..., Any]:
        def run(*args: object) -> object:
            if args and args[0] is None:
                return None
            try:
                value = call(*args)
            except OraError as error:
                self.raised = error
                raise
            except (TypeError, ValueError, AttributeError, re.error) as error:
                self.raised = OraError(1722 if isinstance(error, (TypeError, ValueError)) else 932)
                raise
            return None if value == "" else value

        return run

    def _context(self, namespace: str, name: str, *_: object) -> str | None:
        values = {
            "CURRENT_SCHEMA": self.settings.schema,
            "CURRENT_USER": self.settings.user,
            "SESSION_USER": self.settings.user,
            "DB_NAME": "WIRE",
            "LANGUAGE": "AMERICAN_AMERICA.AL32UTF8",
            "SID": "1",
            "INSTANCE_NAME": "wire",
        }
        return values.get(name.upper()) if namespace.upper() == "USERENV" else None

    def error(self, error: sqlite3.Error) -> OraError:
        raised, self.raised = self.raised, None
        return raised or OraError(3001, f"SQLite: {error}")

    def close(self) -> None:
        self.db.close()


def _system_tables(
    db: sqlite3.Connection, schema: Schema, settings: Settings, service: str, version: str, rights: Rights
) -> dict[str, Columns]:
    """DUAL and the few dictionary views that clients ask on connecting, as temp tables."""
    banner = f"Oracle Database 19c Enterprise Edition Release {version} - Production (oracle_listener test server)"
    nls = sorted(settings.nls.items())
    owner, user = schema.owner, settings.user
    tables = [(owner, table, "USERS", None, None, "VALID") for table in schema.tables]
    columns = [
        (
            owner,
            table,
            column,
            f"{kind.name}({kind.scale})" if kind.name == "TIMESTAMP" else kind.name,
            kind.size * (2 if kind.name.startswith("NV") else 4 if kind.char_semantics else 1) or 22,
            kind.size,
            kind.precision or None,
            None if kind.scale == -127 else kind.scale,
            "Y" if kind.nullable else "N",
            i,
            "C" if kind.char_semantics else "B",
            None,
            "NO",
            "NO",
            "NO",
        )
        for table, cols in schema.tables.items()
        for i, (column, kind) in enumerate(cols.items(), 1)
    ]
    of_tables = ("OWNER", "TABLE_NAME", "TABLESPACE_NAME", "IOT_NAME", "DURATION", "STATUS")
    of_columns = (
        "OWNER",
        "TABLE_NAME",
        "COLUMN_NAME",
        "DATA_TYPE",
        "DATA_LENGTH#",
        "CHAR_LENGTH#",
        "DATA_PRECISION#",
        "DATA_SCALE#",
        "NULLABLE",
        "COLUMN_ID#",
        "CHAR_USED",
        "DATA_DEFAULT",
        "VIRTUAL_COLUMN",
        "HIDDEN_COLUMN",
        "DEFAULT_ON_NULL",
    )
    views: dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]] = {
        "DUAL": (("DUMMY",), [("X",)]),
        "V$VERSION": (("BANNER", "BANNER_FULL", "CON_ID#"), [(banner, banner, 0)]),
        "PRODUCT_COMPONENT_VERSION": (("PRODUCT", "VERSION", "STATUS"), [(banner, version, "Production")]),
        "V$INSTANCE": (("INSTANCE_NAME", "VERSION", "STATUS"), [("wire", version, "OPEN")]),
        "V$DATABASE": (("NAME", "OPEN_MODE"), [(service, "READ ONLY")]),
        "V$PARAMETER": (("NAME", "VALUE"), [("compatible", "19.0.0"), ("open_cursors", "300")]),
        "GLOBAL_NAME": (("GLOBAL_NAME",), [(service,)]),
        "NLS_SESSION_PARAMETERS": (("PARAMETER", "VALUE"), nls),
        "NLS_DATABASE_PARAMETERS": (("PARAMETER", "VALUE"), nls),
        "V$NLS_PARAMETERS": (("PARAMETER", "VALUE"), nls),
        "ALL_TABLES": (of_tables, tables),
        "ALL_TAB_COLUMNS": (of_columns, columns),
        "ALL_TAB_COLS": (of_columns, columns),
        "USER_TABLES": (of_tables[1:], [t[1:] for t in tables if t[0] == user]),
        "USER_TAB_COLUMNS": (of_columns[1:], [c[1:] for c in columns if c[0] == user]),
        "ALL_OBJECTS": (("OWNER", "OBJECT_NAME", "OBJECT_TYPE"), [(*t[:2], "TABLE") for t in tables]),
        "ALL_USERS": (("USERNAME",), [(name,) for name in sorted({owner, user, "SYS"})]),
        "ALL_VIEWS": (("OWNER", "VIEW_NAME"), []),
        "ALL_MVIEWS": (("OWNER", "MVIEW_NAME"), []),
        "ALL_SYNONYMS": (("OWNER", "SYNONYM_NAME", "TABLE_OWNER", "TABLE_NAME"), []),
        "ALL_COL_COMMENTS": (("OWNER", "TABLE_NAME", "COLUMN_NAME", "COMMENTS"), []),
        "ALL_TAB_IDENTITY_COLS": (("OWNER", "TABLE_NAME", "COLUMN_NAME", "GENERATION_TYPE", "IDENTITY_OPTIONS"), []),
    }
    if rights.told:
        views |= {
            "SESSION_PRIVS": (("PRIVILEGE",), [(name,) for name in rights.system]),
            "USER_TAB_PRIVS_RECD": (("OWNER", "TABLE_NAME", "PRIVILEGE"), [(owner, *row) for row in rights.tables]),
            "ROLE_TAB_PRIVS": (
                ("ROLE", "OWNER", "TABLE_NAME", "PRIVILEGE"),
                [(role, owner, *row) for role, *row in rights.by_role],
            ),
        }
    system: dict[str, Columns] = {}
    for view, (names, rows) in views.items():
        system[view] = {
            n.rstrip("#"): NUMBER if n.endswith("#") else text_type(1 if n == "DUMMY" else 512) for n in names
        }
        db.execute(f'CREATE TEMP TABLE "{view}" ({", ".join(chr(34) + n + chr(34) for n in system[view])})')
        db.executemany(f'INSERT INTO temp."{view}" VALUES ({", ".join("?" * len(names))})', rows)
    return system


# ---------------------------------------------------------------- translation

Node = getattr(exp, "Expr", exp.Expression)
_SCAN = re.compile(
    r"[qQ]'\[.*?\]'|[qQ]'\{.*?\}'|[qQ]'\(.*?\)'|'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|/\*.*?\*/"
    r'|(?<![:\w]):\s*(?P<bind>\w+|"[^"]+")',
    re.DOTALL,
)
_VERBS = frozenset(
    [
        "INSERT",
        "UPDATE",
        "DELETE",
        "MERGE",
        "CREATE",
        "DROP",
        "ALTER",
        "TRUNCATE",
        "GRANT",
        "REVOKE",
        "BEGIN",
        "DECLARE",
        "CALL",
        "LOCK",
        "COMMENT",
        "RENAME",
        "ANALYZE",
        "EXPLAIN",
        "PURGE",
        "FLASHBACK",
        "AUDIT",
    ]
)


#: built-in functions of Oracle that are missing here
_NOT_HERE = frozenset(
    [
        "NUMTODSINTERVAL",
        "NUMTOYMINTERVAL",
        "DUMP",
        "ORA_HASH",
        "REGEXP_COUNT",
        "REGEXP_INSTR",
        "SOUNDEX",
        "XMLAGG",
        "XMLELEMENT",
        "JSON_VALUE",
        "NEXT_DAY",
        "NEW_TIME",
        "FROM_TZ",
        "TO_CLOB",
        "TO_TIMESTAMP_TZ",
        "TO_DSINTERVAL",
        "HEXTORAW",
        "VSIZE",
        "WM_CONCAT",
        "NLSSORT",
        "NLS_UPPER",
        "STDDEV",
        "VARIANCE",
        "MEDIAN",
        "RATIO_TO_REPORT",
        "NTILE",
        "CUME_DIST",
        "PERCENT_RANK",
        "SUBSTRB",
        "INSTRB",
        "SQRT",
        "LN",
        "LOG",
        "EXP",
        "SIN",
        "COS",
        "BITAND",
        "CAST",
        "XMLTYPE",
        "SYS_GUID",
        "UID",
        "TO_SINGLE_BYTE",
        "TO_MULTI_BYTE",
        "CONVERT",
        "ASCIISTR",
        "UNISTR",
        "TO_LOB",
    ]
)
_OracleParser: Any = Oracle.Parser


class _Parser(_OracleParser):  # type: ignore[misc]
    # every other function stays as written, so that FUNCTIONS above decides what it means
    FUNCTIONS = {
        name: build
        for name, build in _OracleParser.FUNCTIONS.items()
        if name in ("COUNT", "SUM", "MIN", "MAX", "AVG", "COALESCE", "ROW_NUMBER", "RANK", "DENSE_RANK")
    }
    FUNCTION_PARSERS = {
        name: parse for name, parse in _OracleParser.FUNCTION_PARSERS.items() if name in ("CAST", "TRIM", "EXTRACT")
    }


class _Dialect(Oracle):
    Parser = _Parser


@dataclass(frozen=True)
class Column:
    name: str
    type: OraType


@dataclass(frozen=True)
class Plan:
    sql: str
    columns: list[Column]


@dataclass
class _Scope:
    parent: _Scope | None
    ctes: dict[str, list[Column]]
    sources: dict[str, list[Column]] = field(default_factory=dict)
    using: set[str] = field(default_factory=set)
    labels: dict[str, OraType] = field(default_factory=dict)

    def resolve(self, name: str, table: str | None) -> tuple[str, OraType] | None:
        hits = [
            (alias, column.type)
            for alias, columns in self.sources.items()
            if table in (None, alias)
            for column in columns
            if column.name == name
        ]
        if len(hits) > 1 and name not in self.using:
            raise OraError(918)
        return hits[0] if hits else self.parent.resolve(name, table) if self.parent else None


def number_binds(sql: str) -> tuple[str, int]:
    """Rename the bind placeholders to :p0, :p1 … by place; the driver sends values by place."""
    count = 0

    def rename(match: re.Match[str]) -> str:
        nonlocal count
        if match["bind"] is None:
            return " " if match[0].startswith(("--", "/*")) else match[0]
        count += 1
        return f":p{count - 1}"

    return _SCAN.sub(rename, sql), count


def _ident(node: Any) -> str:
    """The Oracle name of an identifier: upper case unless quoted."""
    return str(node.this) if node.args.get("quoted") else str(node.this).upper()


def _quoted(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)


def _call(name: str, *args: Any) -> exp.Anonymous:
    return exp.Anonymous(this=f"f_{name}", expressions=list(args))


def _label(node: Any) -> str:
    """Oracle's heading of an unnamed expression: its text, upper case, without blanks."""
    parts = re.split(r"('(?:[^']|'')*')", node.sql(dialect=_Dialect))
    return "".join(p if p.startswith("'") else re.sub(r"\s+", "", p).upper() for p in parts)


class Translator:
    """One statement's way from Oracle's SQL to SQLite's, with the described columns."""

    def __init__(self, engine: Engine, bind_types: Sequence[OraType], require_owner: bool = False) -> None:
        self.engine, self.bind_types, self.require_owner = engine, bind_types, require_owner
        self.join_marks = False

    def translate(self, text: str) -> Plan:
        verb = (
            re.match(r"[\s(]*(\w+)", _SCAN.sub(lambda m: " " if m[0][:2] in ("--", "/*") else m[0], text)) or [""] * 2
        )[1].upper()
        if verb not in ("SELECT", "WITH"):
            raise OraError(1031 if verb in _VERBS else 900)
        sql, count = number_binds(text)
        if count > len(self.bind_types):
            raise OraError(1008)
        if sql.rstrip().endswith(";"):
            raise OraError(933, offset=len(text.rstrip()) - 1)
        try:
            tree = parse_one(sql, read=_Dialect)
        except SqlglotError as error:
            raise self._syntax(sql, str(error)) from error
        try:
            columns = self.query(tree, None, {})
            if self.join_marks:
                tree = transforms.eliminate_join_marks(tree)
            return Plan(tree.sql(dialect="sqlite", identify=True), columns)
        except OraError as error:
            if error.detail and not error.offset and error.code in (904, 942):
                word = error.detail.rpartition(".")[2].strip('"')
                match = re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE)
                error.offset = match.start() if match else 0
            raise

    @staticmethod
    def _syntax(sql: str, message: str) -> OraError:
        if "tokeniz" in message:
            return OraError(1756)
        if "Expected table name" in message:
            return OraError(903)
        if "Expecting )" in message:
            return OraError(907)
        if re.search(r"\b(where|and|or|by|=|<|>|,|select)\s*$", sql, re.IGNORECASE):
            return OraError(936)
        if not re.search(r"\bfrom\b", sql, re.IGNORECASE):
            return OraError(923)
        return OraError(933)

    # -- queries

    def query(self, node: Any, parent: _Scope | None, ctes: dict[str, list[Column]]) -> list[Column]:
        if isinstance(node, exp.Subquery):
            return self.query(node.this, parent, ctes)
        ctes = dict(ctes)
        if (clause := node.args.get("with_")) is not None:
            for cte in clause.expressions:
                columns = self.query(cte.this, parent, ctes)
                names = [_ident(c) for c in cte.args["alias"].args.get("columns") or ()]
                ctes[_ident(cte.args["alias"].this)] = [
                    replace(c, name=n) for n, c in zip(names, columns, strict=False)
                ] or columns
        if isinstance(node, exp.SetOperation):
            columns = self.query(node.this, parent, ctes)
            if len(self.query(node.expression, parent, ctes)) != len(columns):
                raise OraError(1789)
            scope = _Scope(parent, ctes, labels={c.name: c.type for c in columns})
            self._tail(node, scope)
            return columns
        if not isinstance(node, exp.Select):
            raise OraError(3001, type(node).__name__)
        return self._select(node, parent, ctes)

    def _select(self, node: exp.Select, parent: _Scope | None, ctes: dict[str, list[Column]]) -> list[Column]:
        for part in ("connect", "match", "pivots", "into", "sample"):
            if node.args.get(part):
                raise OraError(3001, part)
        if node.args.get("locks"):
            raise OraError(1031)
        node.set("hint", None)
        scope = _Scope(parent, ctes)
        origin = node.args.get("from_")
        if origin is None:
            raise OraError(923)
        self._source(origin, scope)
        for join in node.args.get("joins") or ():
            self._source(join, scope)
            scope.using |= {_ident(c) for c in join.args.get("using") or ()}
        for join in node.args.get("joins") or ():
            if join.args.get("on") is not None:
                join.set("on", self.visit(join.args["on"], scope)[0])
        self._grouping(node)
        columns = self._projection(node, scope)
        if (where := node.args.get("where")) is not None:
            self._where(node, where, scope)
        for part in ("group", "having"):
            if node.args.get(part) is not None:
                node.set(part, self.visit(node.args[part], scope)[0])
        scope.labels = {c.name: c.type for c in columns}
        self._tail(node, scope)
        return columns

    def _tail(self, node: Any, scope: _Scope) -> None:
        for part in ("order", "limit", "offset"):
            child = node.args.get(part)
            if child is not None:
                options = child.args.get("limit_options")
                if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
                    raise OraError(3001, "FETCH PERCENT or WITH TIES")
                node.set(part, self.visit(child, scope, sorting=part == "order")[0])

    def _source(self, holder: Any, scope: _Scope) -> None:
        node = holder.this
        if isinstance(node, exp.Table):
            alias, columns = self._table(node, scope)
        elif isinstance(node, exp.Subquery):
            alias = _ident(node.args["alias"].this) if node.args.get("alias") else f"Q{len(scope.sources)}"
            columns = self.query(node.this, scope.parent, scope.ctes)
            node.set("alias", exp.TableAlias(this=_quoted(alias)))
        else:
            raise OraError(3001, type(node).__name__)
        if alias in scope.sources:
            raise OraError(918)
        scope.sources[alias] = columns

    def _table(self, node: exp.Table, scope: _Scope) -> tuple[str, list[Column]]:
        for part in ("sample", "partition", "when", "pivots"):
            if node.args.get(part):
                raise OraError(3001, part)
        if not isinstance(node.this, exp.Identifier):
            raise OraError(3001, "table function")
        name, settings = _ident(node.this), self.engine.settings
        owner = _ident(node.args["db"]) if node.args.get("db") else None
        schema, database = self.engine.schema, "main"
        columns: list[Column] | None = None
        if owner is None and name in scope.ctes:
            columns, database = scope.ctes[name], ""
        elif name in self.engine.system and owner in (None, "SYS", "PUBLIC"):
            columns, database = [Column(c, t) for c, t in self.engine.system[name].items()], "temp"
        elif name in schema.tables and (
            owner == schema.owner or (owner is None and (not self.require_owner or settings.schema == schema.owner))
        ):
            columns = [Column(c, t) for c, t in schema.tables[name].items()]
        if columns is None:
            raise OraError(942, f"{owner}.{name}" if owner else name)
        alias = _ident(node.args["alias"].this) if node.args.get("alias") else name
        node.set("this", _quoted(name))
        node.set("db", _quoted(database) if database else None)
        node.set("alias", exp.TableAlias(this=_quoted(alias)))
        return alias, columns

    def _projection(self, node: exp.Select, scope: _Scope) -> list[Column]:
        columns: list[Column] = []
        items: list[Any] = []
        for item in node.expressions:
            star = isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star))
            if star:
                only = _ident(item.args["table"]) if isinstance(item, exp.Column) else None
                if only is not None and only not in scope.sources:
                    raise OraError(904, f'"{only}"."*"')
                for alias, source in scope.sources.items():
                    for column in source if only in (None, alias) else ():
                        ref = exp.Column(this=_quoted(column.name), table=_quoted(alias))
                        items.append(exp.alias_(ref, _quoted(column.name)))
                        columns.append(column)
                continue
            inner = item.this if isinstance(item, exp.Alias) else item
            name = (
                _ident(item.args["alias"])
                if isinstance(item, exp.Alias)
                else _ident(inner.this)
                if isinstance(inner, exp.Column)
                else _label(inner)
            )
            if name.startswith(":P"):
                name = f":{int(name[2:]) + 1}"
            new, kind = self.visit(inner, scope)
            if not isinstance(inner, exp.Column):
                kind = replace(kind, nullable=True)
            items.append(exp.alias_(new, _quoted(name)))
            columns.append(Column(name, kind))
        node.set("expressions", items)
        return columns

    @staticmethod
    def _grouping(node: exp.Select) -> None:
        group = node.args.get("group")
        keys = {_label(e) for e in group.expressions} if group is not None else set()
        named = {_ident(e.this) for e in group.expressions if isinstance(e, exp.Column)} if group is not None else set()

        def free(part: Any) -> bool:
            if _label(part) in keys or isinstance(part, (exp.AggFunc, exp.Query, exp.Window, exp.WithinGroup)):
                return False
            if isinstance(part, exp.Column):
                return isinstance(part.this, exp.Star) or _ident(part.this) not in named | {"ROWNUM", "USER"}
            return isinstance(part, exp.Star) or any(free(child) for child in part.iter_expressions())

        items = [e.this if isinstance(e, exp.Alias) else e for e in node.expressions]
        grouped = any(
            isinstance(n, exp.AggFunc) and not n.find_ancestor(exp.Window) and n.find_ancestor(exp.Select) is node
            for e in items
            for n in e.find_all(exp.AggFunc)
        )
        if (group is not None or grouped) and any(free(e) for e in items):
            raise OraError(979 if group is not None else 937)

    def _where(self, node: exp.Select, where: exp.Where, scope: _Scope) -> None:
        """Turn ROWNUM conditions into a LIMIT, the rest into SQLite's condition."""

        def flat(part: Any) -> list[Any]:
            return [*flat(part.this), *flat(part.expression)] if isinstance(part, exp.And) else [part]

        keep, limit = [], None
        for part in flat(where.this):
            left, right = part.args.get("this"), part.args.get("expression")
            if not (isinstance(left, exp.Column) and not left.table and _ident(left.this) == "ROWNUM"):
                keep.append(part)
            elif isinstance(part, (exp.LTE, exp.LT, exp.EQ)) and right is not None:
                bound = self.visit(right.copy(), scope)[0]
                limit = exp.Sub(this=bound, expression=exp.Literal.number(1)) if isinstance(part, exp.LT) else bound
                if isinstance(part, exp.EQ):
                    limit = exp.Literal.number(1 if right.name == "1" else 0)
            elif isinstance(part, (exp.GT, exp.GTE)) and right is not None:
                keep.append(
                    exp.false()
                    if right.name not in ("0", "1") or (isinstance(part, exp.GT) and right.name == "1")
                    else exp.true()
                )
            else:
                raise OraError(3001, "this ROWNUM condition")
        kept = [self.visit(part, scope)[0] for part in keep]
        node.set("where", exp.Where(this=exp.and_(*kept)) if kept else None)
        if limit is None:
            return
        simple = not any(node.args.get(k) for k in ("group", "having", "order", "distinct", "limit", "offset"))
        if simple and not any(e.find(exp.AggFunc) for e in node.expressions):
            node.set("limit", exp.Limit(expression=limit))
            return
        if len(scope.sources) != 1:
            raise OraError(3001, "ROWNUM with a join and GROUP BY, ORDER BY or DISTINCT")
        inner = exp.Select(
            expressions=[exp.Star()],
            from_=node.args["from_"].copy(),
            where=node.args.get("where"),
            limit=exp.Limit(expression=limit),
        )
        alias = exp.TableAlias(this=_quoted(next(iter(scope.sources))))
        node.set("from_", exp.From(this=exp.Subquery(this=inner, alias=alias)))
        node.set("where", None)

    # -- expressions: each visit returns the new node and its Oracle type

    def visit(self, node: Any, scope: _Scope, sorting: bool = False) -> tuple[Any, OraType]:
        if isinstance(node, exp.Query):
            columns = self.query(node, scope, scope.ctes)
            return node, columns[0].type
        if isinstance(node, exp.Column):
            return self._column(node, scope, sorting)
        if isinstance(node, exp.Literal):
            if not node.is_string:
                return node, NUMBER
            size = len(node.name.encode())
            return (node, OraType("CHAR", size, scale=0)) if size else (exp.Null(), NULL_TYPE)
        if isinstance(node, (exp.RawString, exp.National)):
            kind = OraType("NCHAR" if isinstance(node, exp.National) else "CHAR", len(node.name) or 1, True, scale=0)
            return exp.Literal.string(node.name), kind
        if isinstance(node, exp.Placeholder):
            return node, self.bind_types[int(str(node.this)[1:])]
        if isinstance(node, exp.Null):
            return node, NULL_TYPE
        if isinstance(node, exp.Systimestamp) or (
            isinstance(node, exp.CurrentTimestamp) and not node.args.get("sysdate")
        ):
            return _call("systimestamp"), TIMESTAMP_TZ
        if isinstance(node, (exp.CurrentTimestamp, exp.CurrentDate)):
            return _call("sysdate"), DATE
        if isinstance(node, exp.DateStrToDate):
            return exp.Literal.string(str(canonical(parse_date(node.name, "YYYY-MM-DD")))), DATE
        if isinstance(node, exp.StrToTime):
            return exp.Literal.string(str(canonical(to_datetime(node.name)))), OraType("TIMESTAMP", scale=9)
        if isinstance(node, exp.Anonymous):
            return self._function(node, scope)
        if isinstance(node, (exp.Dot, exp.Interval)):
            raise OraError(3001, node.sql(dialect=_Dialect))
        if isinstance(node, exp.WithinGroup):
            return self._listagg(node, scope)
        if isinstance(node, (exp.Add, exp.Sub)):
            return self._arithmetic(node, scope)
        kinds = self._children(node, scope, sorting)
        return self._typed(node, kinds)

    def _children(self, node: Any, scope: _Scope, sorting: bool) -> dict[str, list[OraType]]:
        kinds: dict[str, list[OraType]] = {}
        for key, value in list(node.args.items()):
            if isinstance(value, Node) and not isinstance(value, (exp.Identifier, exp.DataType, exp.Var, exp.Star)):
                new, kind = self.visit(value, scope, sorting)
                kinds[key] = [kind]
                if new is not value:
                    node.set(key, new)
            elif isinstance(value, list) and value and all(isinstance(v, Node) for v in value):
                pairs = [
                    (v, NUMBER) if isinstance(v, (exp.Identifier, exp.Star)) else self.visit(v, scope, sorting)
                    for v in value
                ]
                kinds[key] = [kind for _, kind in pairs]
                node.set(key, [new for new, _ in pairs])
        return kinds

    def _typed(self, node: Any, kinds: dict[str, list[OraType]]) -> tuple[Any, OraType]:
        def first(*keys: str) -> OraType:
            return first_of([kind for key in keys for kind in kinds.get(key, ())])

        if isinstance(node, (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)):
            self._compare(node, [("this", kinds["this"][0]), ("expression", kinds["expression"][0])])
        elif isinstance(node, exp.Between):
            self._compare(node, [(k, kinds[k][0]) for k in ("this", "low", "high")])
        elif isinstance(node, exp.In) and node.expressions:
            subject = node.this
            for i, kind in enumerate(kinds["expressions"]):
                pair = exp.EQ(this=node.this.copy(), expression=node.expressions[i].copy())
                self._compare(pair, [("this", kinds["this"][0]), ("expression", kind)])
                if i == 0:
                    subject = pair.this
                node.expressions[i] = pair.expression
            node.set("this", subject)
            node.set("expressions", list(node.expressions))
        elif isinstance(node, exp.DPipe):
            size = sum(k.size or 40 for k in (*kinds["this"], *kinds["expression"]))
            return _call("ora_concat", node.this, node.expression), text_type(min(4000, size))
        elif isinstance(node, exp.Div):
            return _call("ora_div", node.this, node.expression), NUMBER
        elif isinstance(node, exp.Cast):
            return self._cast(node, kinds["this"][0])
        elif isinstance(node, exp.Trim):
            args = [node.args.get("expression") or exp.Literal.string(" ")]
            args.append(exp.Literal.string(node.args.get("position") or "BOTH"))
            return _call("ora_trim", node.this, *args), replace(kinds["this"][0], name="VARCHAR2")
        elif isinstance(node, exp.Extract):
            return _call("ora_extract", node.expression, exp.Literal.string(node.name)), NUMBER
        elif isinstance(node, exp.Case):
            return node, first("ifs", "default")
        elif isinstance(node, exp.If):  # a branch of CASE
            return node, first("true")
        elif isinstance(node, (exp.Coalesce, exp.Max, exp.Min, exp.Paren, exp.Ordered, exp.Distinct)):
            return node, first("this", "expressions")
        return node, NUMBER

    def _column(self, node: exp.Column, scope: _Scope, sorting: bool) -> tuple[Any, OraType]:
        name = _ident(node.this)
        table = _ident(node.args["table"]) if node.args.get("table") else None
        if node.args.get("join_mark"):
            self.join_marks = True
        if table is None and sorting and name in scope.labels:
            return exp.Column(this=_quoted(name)), scope.labels[name]
        hit = scope.resolve(name, table)
        if hit is not None:
            node.set("this", _quoted(name))
            node.set("table", _quoted(hit[0]))
            node.set("db", None)
            return node, hit[1]
        if table is None and name == "ROWNUM":
            return exp.Window(this=exp.RowNumber()), NUMBER
        if table is None and name in ("USER", "UID"):
            return exp.Literal.string(self.engine.settings.user), text_type(128)
        raise OraError(904, f'"{table}"."{name}"' if table else f'"{name}"')

    def _arithmetic(self, node: Any, scope: _Scope) -> tuple[Any, OraType]:
        minus = isinstance(node, exp.Sub)
        (left, a), right = self.visit(node.this, scope), node.expression
        if isinstance(right, exp.Interval) and a.name in TEMPORAL:
            amount, unit = exp.Literal.number(float(right.this.name) * (-1 if minus else 1)), right.text("unit").upper()
            if unit.rstrip("S") in ("MONTH", "YEAR"):
                months = int(float(right.this.name)) * (12 if unit.startswith("Y") else 1) * (-1 if minus else 1)
                return _call("ADD_MONTHS", left, exp.Literal.number(months)), a
            per = {"DAY": 1, "HOUR": 24, "MINUTE": 1440, "SECOND": 86400}.get(unit.rstrip("S"))
            if per is None:
                raise OraError(3001, f"INTERVAL {unit}")
            return _call("ora_date_add", left, exp.Div(this=amount, expression=exp.Literal.number(f"{per}.0"))), a
        right, b = self.visit(right, scope)
        if a.name in TEMPORAL and b.name in TEMPORAL:
            if not minus:
                raise OraError(932)
            return _call("ora_date_diff", left, right), NUMBER
        if a.name in TEMPORAL:
            return _call("ora_date_add", left, exp.Neg(this=exp.Paren(this=right)) if minus else right), DATE
        if b.name in TEMPORAL and not minus:
            return _call("ora_date_add", right, left), DATE
        sides = [_call("TO_NUMBER", s) if k.name in CHARACTER else s for s, k in ((left, a), (right, b))]
        node.set("this", sides[0])
        node.set("expression", sides[1])
        return node, NUMBER

    def _compare(self, node: Any, sides: list[tuple[str, OraType]]) -> None:
        """Oracle's implicit conversions, and blank-padded comparison of CHAR values."""

        def put(key: str, call: Any) -> None:
            node.set(key, call)

        names = {kind.name for _, kind in sides if kind is not NULL_TYPE}
        if names & TEMPORAL and names & CHARACTER:
            fmt = exp.Literal.string(self.engine.settings.date_format)
            for key, kind in sides:
                if kind.name in CHARACTER and kind is not NULL_TYPE:
                    put(key, _call("ora_date", node.args[key], fmt.copy()))
        elif "NUMBER" in names and names & CHARACTER:
            for key, kind in sides:
                if kind.name in CHARACTER and kind is not NULL_TYPE:
                    put(key, _call("TO_NUMBER", node.args[key]))
        elif names and names <= FIXED:
            columns = [k for key, k in sides if isinstance(node.args[key], exp.Column)]
            if len({(k.size, k.char_semantics) for k in columns}) == 1 and all(
                isinstance(node.args[key], (exp.Column, exp.Literal)) for key, _ in sides
            ):
                for key, _ in sides:
                    if isinstance(node.args[key], exp.Literal):
                        put(key, exp.Literal.string(columns[0].pad(node.args[key].name.rstrip(" "))))
            elif len({kind.size for _, kind in sides}) > 1:
                for key, _ in sides:
                    put(key, exp.Anonymous(this="RTRIM", expressions=[node.args[key]]))

    def _cast(self, node: exp.Cast, source: OraType) -> tuple[Any, OraType]:
        try:
            kind = OraType.parse(node.args["to"].sql(dialect="oracle"))
        except ValueError as error:
            raise OraError(3001, str(error)) from error
        if kind.name == "NUMBER":
            value = _call("TO_NUMBER", node.this)
            return (_call("ora_round", value, exp.Literal.number(kind.scale)) if kind.scale != -127 else value), kind
        if kind.name in ("DATE", "TIMESTAMP"):
            if source.name in TEMPORAL:
                cut = kind.name == "DATE" and source.name != "DATE"
                return (
                    exp.Anonymous(this="SUBSTR", expressions=[node.this, exp.Literal.number(1), exp.Literal.number(19)])
                    if cut
                    else node.this
                ), kind
            return _call("ora_date", node.this, exp.Literal.string(self.engine.settings.date_format)), kind
        text = self._text(node.this, source)
        size = exp.Literal.number(kind.size or 4000)
        return _call("ora_pad" if kind.name in FIXED else "ora_text", text, size), kind

    def _text(self, node: Any, kind: OraType, fmt: Any = None) -> Any:
        if kind.name in TEMPORAL:
            return _call("ora_char_d", node, fmt or exp.Literal.string(self.engine.settings.date_format))
        return _call("ora_char_n", node, fmt) if fmt is not None else _call("ora_text", node)

    def _listagg(self, node: exp.WithinGroup, scope: _Scope) -> tuple[Any, OraType]:
        call, order = node.this, node.expression
        if str(call.this).upper() != "LISTAGG" or len(order.expressions) != 1:
            raise OraError(3001, "WITHIN GROUP")
        args = [self.visit(a, scope)[0] for a in call.expressions] + ([exp.Null()] if len(call.expressions) < 2 else [])
        key = order.expressions[0]
        return _call(
            "listagg", *args, self.visit(key.this, scope)[0], exp.Literal.number(int(bool(key.args.get("desc"))))
        ), text_type()

    def _function(self, node: exp.Anonymous, scope: _Scope) -> tuple[Any, OraType]:
        name = str(node.this).upper()
        pairs = [self.visit(a, scope) for a in node.expressions]
        args, kinds = [a for a, _ in pairs], [k for _, k in pairs]
        n = len(args)
        if name == "CONCAT" and n == 2:
            return _call("ora_concat", *args), text_type()
        if name == "NULLIF" and n == 2:
            return exp.Anonymous(this="NULLIF", expressions=args), kinds[0]
        if name == "NVL" and n == 2:
            return exp.Coalesce(this=args[0], expressions=args[1:]), first_of(kinds)
        if name == "NVL2" and n == 3:
            test = exp.Not(this=exp.Is(this=args[0], expression=exp.Null()))
            return exp.Case(ifs=[exp.If(this=test, true=args[1])], default=args[2]), first_of(kinds[1:])
        if name == "DECODE" and n >= 3:
            branches = []
            for i in range(1, n - 1, 2):
                same = exp.NullSafeEQ(this=args[0].copy(), expression=args[i])
                if isinstance(args[i], exp.Literal) and kinds[0].name in FIXED and args[i].is_string:
                    same.set("expression", exp.Literal.string(kinds[0].pad(args[i].name)))
                branches.append(exp.If(this=same, true=args[i + 1]))
            results = [kinds[i] for i in range(2, n, 2)] + ([kinds[-1]] if n % 2 == 0 else [])
            return exp.Case(ifs=branches, default=args[-1] if n % 2 == 0 else None), first_of(results)
        if name in ("TO_CHAR", "TO_NCHAR") and 1 <= n <= 3:
            if n == 1 and kinds[0].name in CHARACTER:
                return args[0], replace(kinds[0], name="VARCHAR2")
            return self._text(args[0], kinds[0], args[1] if n > 1 else None), text_type(75 if n > 1 else 40)
        if name in ("TO_DATE", "TO_TIMESTAMP") and 1 <= n <= 3:
            fmt = args[1] if n > 1 else exp.Literal.string(self.engine.settings.date_format)
            kind = DATE if name == "TO_DATE" else OraType("TIMESTAMP", scale=9)
            return (args[0] if kinds[0].name in TEMPORAL else _call("ora_date", args[0], fmt)), kind
        if name in ("TRUNC", "ROUND") and n in (1, 2):
            if kinds[0].name in TEMPORAL:
                return _call("ora_trunc_d", *args), DATE
            value = _call("TO_NUMBER", args[0]) if kinds[0].name in CHARACTER else args[0]
            return _call("ora_trunc_n" if name == "TRUNC" else "ora_round", value, *args[1:]), NUMBER
        if name in ("SYS_CONTEXT", "USERENV"):
            return _call("sys_context", *([exp.Literal.string("USERENV")] if n == 1 else []), *args), text_type(256)
        if name in ("LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE"):
            return exp.Anonymous(this=name, expressions=args), kinds[0]
        if name not in FUNCTIONS or name.startswith("ORA_"):
            raise OraError(3001, name) if name in _NOT_HERE else OraError(904, f'"{name}"')
        rule = FUNCTIONS[name][1]
        if name in ("ABS", "MOD", "CEIL", "FLOOR", "SIGN", "POWER"):
            args = [_call("TO_NUMBER", a) if k.name in CHARACTER else a for a, k in zip(args, kinds, strict=False)]
        return _call(name, *args), (kinds[0] if kinds else NULL_TYPE) if isinstance(rule, str) else rule


def first_of(kinds: Sequence[OraType]) -> OraType:
    """The type of an expression with several results, as CASE and NVL have."""
    real = [k for k in kinds if k is not NULL_TYPE]
    if real and all(k.name in CHARACTER for k in real):
        widest = max(real, key=lambda k: k.size)
        return widest if len(set(real)) == 1 or widest.name in LOBS else replace(widest, name="VARCHAR2")
    return real[0] if real else NULL_TYPE
