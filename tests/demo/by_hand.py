"""Every student's verdicts, worked out from the four offices by a few lines that share nothing with the program."""

import csv
import json
import sqlite3
import urllib.request
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from openpyxl import load_workbook


def verdicts(offices: Path, finance_port: int) -> dict[tuple[str, str], str]:
    """Return (student, step) → cleared, held, unknown or exempt, for everybody who leaves."""
    with (offices / "roster.csv").open(encoding="gb18030", newline="") as file:
        leaving = {row["学号"]: row for row in csv.DictReader(file) if row["学生类别"] != "延期"}
    owner = {row["图书证号"]: number for number, row in leaving.items()}
    said: dict[tuple[str, str], str] = {}

    with closing(sqlite3.connect(offices / "library.sqlite")) as library:
        cards = dict(library.execute("SELECT borrowernumber, cardnumber FROM borrowers"))
        borrowing = {cards[number] for (number,) in library.execute("SELECT borrowernumber FROM issues")}
        fines: dict[str, float] = defaultdict(float)
        for number, amount in library.execute("SELECT borrowernumber, amountoutstanding FROM accountlines"):
            fines[cards[number]] += amount
    held = {owner.get(card) for card in borrowing} | {owner.get(card) for card, sum_ in fines.items() if sum_ > 0.001}
    for number in leaving:
        said[number, "library"] = "held" if number in held else "cleared"

    owed: dict[str, int] = defaultdict(int)
    for row in _arrears(offices, finance_port):
        owed[row["number"]] += round(float(row["owed"]) * 100)
    for number in leaving:
        said[number, "finance"] = "held" if owed[number] > 0 else "cleared"

    with closing(sqlite3.connect(offices / "textbook.sqlite")) as textbook:
        balances: dict[str, int] = defaultdict(int)
        for number, balance in textbook.execute("SELECT XH, YE FROM v_textbook_balance"):
            balances[number] += round(float(balance) * 100)
    for number, row in leaving.items():
        if row["培养层次"] == "本科生":
            said[number, "textbook"] = "held" if balances[number] > 0 else "cleared"

    workbook = load_workbook(offices / "dorm.xlsx")
    rooms = {str(row[0]): row[5] for row in workbook.worksheets[0].iter_rows(min_row=3, values_only=True)}
    workbook.close()
    for number, row in leaving.items():
        word = rooms.get(number)
        if word is None:
            said[number, "dorm"] = "exempt" if row["宿舍楼栋"] == "校外走读" else "unknown"
        else:
            said[number, "dorm"] = "cleared" if word == "已清退" else "held"
    return said


def _arrears(offices: Path, port: int) -> list[dict[str, str]]:
    base = f"http://127.0.0.1:{port}/api"
    word = (offices / "finance-password").read_text(encoding="ascii").strip()
    login = urllib.request.Request(
        f"{base}/token",
        json.dumps({"user": "clearance", "password": word}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(login) as answer:
        token = json.load(answer)["data"]["token"]
    rows: list[dict[str, str]] = []
    while True:
        page = len(rows) // 500 + 1
        request = urllib.request.Request(f"{base}/arrears?page={page}&page_size=500", headers={"X-Access-Token": token})
        with urllib.request.urlopen(request) as answer:
            data = json.load(answer)["data"]
        rows += data["rows"]
        if len(rows) >= data["total"]:
            return rows
