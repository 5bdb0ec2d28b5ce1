"""A library schema in the manner of Huiwen's LIBSYS, with made-up readers and loans.

The shapes are what matters here: blank-padded CHAR keys, dates kept as text, codes for
states.  Check names and widths against a customer's data dictionary before relying on them.

    python -m tests.oracle_listener.library x.sqlite schema.json --readers 1000
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from tests.oracle_listener.sql import Schema, load

TABLES: dict[str, dict[str, str]] = {
    "READER": {
        "CERT_ID_F": "CHAR(20) NOT NULL",
        "NAME": "VARCHAR2(60)",
        "SEX": "CHAR(1)",
        "DEPT": "VARCHAR2(100)",
        "BIRTHDAY": "VARCHAR2(10)",
        "EMAIL": "VARCHAR2(80)",
        "CREATED": "DATE",
        "NOTE": "CLOB",
    },
    "READER_CERT": {
        "REDR_CERT_ID": "CHAR(20) NOT NULL",
        "CERT_ID_F": "CHAR(20) NOT NULL",
        "CERT_FLAG": "CHAR(1)",
        "REDR_TYPE_CODE": "CHAR(2)",
        "BEGIN_DATE": "VARCHAR2(10)",
        "END_DATE": "VARCHAR2(10)",
        "TOTAL_LEND_QTY": "NUMBER(6)",
        "DEBT": "NUMBER(10,2)",
    },
    "MARC": {
        "MARC_REC_NO": "CHAR(10) NOT NULL",
        "M_TITLE": "VARCHAR2(400)",
        "M_AUTHOR": "NVARCHAR2(120)",
        "M_ISBN": "VARCHAR2(20)",
    },
    "ITEM": {
        "PROP_NO_F": "CHAR(12) NOT NULL",
        "BAR_CODE": "VARCHAR2(20)",
        "MARC_REC_NO": "CHAR(10)",
        "CALL_NO": "VARCHAR2(60)",
        "PRICE": "NUMBER(8,2)",
    },
    "LEND_LST": {
        "CERT_ID_F": "CHAR(20) NOT NULL",
        "PROP_NO_F": "CHAR(12) NOT NULL",
        "LEND_DATE": "VARCHAR2(19)",
        "NORM_RET_DATE": "VARCHAR2(10)",
        "RENEW_TIMES": "NUMBER(2)",
        "CHANGED": "TIMESTAMP(6)",
    },
}
DEPARTMENTS = ("文学院", "计算机学院", "图书馆", "外国语学院", "医学部")
SURNAMES, GIVEN = "赵钱孙李周吴郑王冯陈", "伟芳娜敏静丽强磊洋艳"
TODAY = date(2026, 6, 1)

Row = tuple[object, ...]


def reader_no(i: int) -> str:
    return f"S{2020 + i % 6}{i:06}"


def readers(count: int) -> Iterator[Row]:
    for i in range(count):
        name = SURNAMES[i % 10] + GIVEN[i // 10 % 10] + (GIVEN[i // 100 % 10] if i % 3 else "")
        email = f"r{i}@example.edu.cn" if i % 4 else None
        note = "备注。" * (i % 50) if i % 5 == 0 else None
        yield (
            reader_no(i),
            name,
            "MF"[i % 2],
            DEPARTMENTS[i % 5],
            f"{1990 + i % 15}-0{i % 9 + 1}-15",
            email,
            datetime(2020, 9, 1, 8, 30) + timedelta(hours=i),
            note,
        )


def cards(count: int) -> Iterator[Row]:
    for i in range(count):
        end = TODAY + timedelta(days=i % 400 - 30)
        yield (
            f"C{i:08}",
            reader_no(i),
            "1" if i % 10 else "2",
            f"{i % 4 + 1:02}",
            "2020-09-01",
            end.isoformat(),
            i % 40,
            (i % 7) * 0.35 if i % 7 else 0,
        )


def loans(count: int) -> Iterator[Row]:
    for i in range(0, count, 3):
        for k in range(i // 3 % 3 + 1):
            lent = TODAY - timedelta(days=i % 60 + k)
            yield (
                reader_no(i),
                f"P{i * 3 + k:09}",
                f"{lent} 10:15:{i % 60:02}",
                (lent + timedelta(days=30)).isoformat(),
                k,
                datetime(2026, 5, 1, 9, 0, 0, 123456 if k else 0),
            )


def everything(count: int) -> dict[str, Iterator[Row]]:
    """Give the rows of each table for ``count`` readers."""
    lent = sorted({str(row[1]) for row in loans(count)})
    marc: Iterator[Row] = (
        (f"{i:010}", f"第{i}种图书：数据与方法", SURNAMES[i % 10] + "某某", f"978-7-{i:05}-00-1")
        for i in range(min(count, 1000))
    )
    items: Iterator[Row] = (
        (no, f"B{no[1:]}", f"{i % min(count, 1000):010}", f"TP{i % 400}/{i}", 12.5 + i % 90)
        for i, no in enumerate(lent)
    )
    return {
        "READER": readers(count),
        "READER_CERT": cards(count),
        "LEND_LST": loans(count),
        "MARC": marc,
        "ITEM": items,
    }


def fill(path: str | Path, count: int, owner: str = "LIBSYS") -> Schema:
    """Write an SQLite file with ``count`` readers and what belongs to them."""
    schema = Schema.of(TABLES, owner)
    load(path, schema, everything(count))
    return schema


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("db", type=Path)
    parser.add_argument("schema", type=Path)
    parser.add_argument("--readers", type=int, default=1000)
    args = parser.parse_args()
    fill(args.db, args.readers)
    args.schema.write_text(json.dumps(TABLES, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
