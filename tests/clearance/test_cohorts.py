"""Two cohorts in one season: undergraduates in summer, postgraduates in December, and one office for both."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clearance.main import app
from clearance.settings_file import load_settings
from config.load import SettingsError
from connectors.sql import Sql

SETTINGS = """
[institution]
name = "山海大学"

[status_db]
url = "env:STATUS_URL"
desk_url = "env:DESK_URL"

[[cohort]]
key = "2019s"
name = "2019届夏季"
roster = "summer"

[[cohort]]
key = "2019w"
name = "2019届冬季"
roster = "winter"

[roster.summer]
connector = "sheet"
path = "summer.csv"
every = "1 d"
columns = { student = "学号", name = "姓名", level = "层次", college = "学院", card = "卡号" }
levels = { "本科" = "undergraduate" }
aliases = ["card"]

[roster.winter]
connector = "sql"
url = "sqlite:///registry.db"
query = "SELECT xh, xm, xy, cc FROM graduates WHERE season = :cohort"
every = "1 d"
columns = { student = "xh", name = "xm", level = "cc", college = "xy" }
levels = { "硕士" = "postgraduate" }

[[step]]
key = "library"
title = "图书馆"
office = { name = "图书馆", places = { "*" = { where = "总馆" } } }

[[step]]
key = "textbook"
title = "教材中心"
office = { name = "教材中心", places = { "*" = { where = "教材科" } } }

[[step]]
key = "final"
title = "终审"
office = { name = "学院" }

[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{ step = "library" }, { step = "textbook" }, { step = "final", kind = "review" }]

[[flow]]
key = "postgraduate"
levels = ["postgraduate"]
entries = [{ step = "library" }, { step = "final", kind = "review" }]

[source.loans]
step = "library"
connector = "sql"
url = "sqlite:///library.db"
query = "SELECT reader, title, barcode FROM loans"
means = "items"
obligation = "loan"
every = "1 h"
columns = { student = "reader", title = "title", reference = "barcode" }
guard = { rows_fall_percent = 60 }

[source.books]
step = "textbook"
connector = "sheet"
path = "books.csv"
means = "balance"
obligation = "textbook"
first = "apply"
every = "1 h"
columns = { student = "学号", amount = "欠费" }
"""

BOTH = (
    [("2015001", "张一", "A1"), ("2015002", "李二", "A2"), ("2015003", "孙六", "A3")],
    # Sun is a bachelor of summer, and a master of December under the same number.
    [("2015003", "孙六"), *((f"20161{i:02}", f"研{i}") for i in range(1, 7))],
)


#: On both rosters.
SUN = "2015003"


class TwoCohorts:
    """Their files, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "clearance.toml"
        self.file.write_text(SETTINGS, encoding="utf-8")
        self.summer(*BOTH[0])
        with sqlite3.connect(folder / "registry.db") as registry:
            registry.execute("CREATE TABLE graduates (xh TEXT, xm TEXT, xy TEXT, cc TEXT, season TEXT)")
            rows = [(number, name, "文学院", "硕士", "2019w") for number, name in BOTH[1]]
            registry.executemany(
                "INSERT INTO graduates VALUES (?, ?, ?, ?, ?)", [*rows, ("9", "x", "y", "本科", "old")]
            )
        with sqlite3.connect(folder / "library.db") as library:
            library.execute("CREATE TABLE loans (reader TEXT, title TEXT, barcode TEXT)")
        self.lend("2015001", "2016101", "2016103", "7777777")
        (folder / "books.csv").write_text("学号,欠费\n2015002,30.00\n", encoding="utf-8")

    def summer(self, *people: Sequence[str]) -> None:
        rows = [f"{number},{name},本科,文学院,{card}" for number, name, card in people]
        (self.folder / "summer.csv").write_text("\n".join(["学号,姓名,层次,学院,卡号", *rows, ""]), encoding="utf-8")

    def lend(self, *readers: str) -> None:
        with sqlite3.connect(self.folder / "library.db") as library:
            library.executemany("INSERT INTO loans VALUES (?, '论文集', ?)", [(r, f"B{r}") for r in readers])

    def bring_back(self, reader: str) -> None:
        with sqlite3.connect(self.folder / "library.db") as library:
            library.execute("DELETE FROM loans WHERE reader = ?", [reader])

    def run(self, *words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["--config", str(self.file), *words])
        assert done.exit_code == code, f"{words}: {done.output} {done.exception}"
        return " ".join(done.output.split())

    def verdicts(self, cohort: str, number: str) -> str:
        """Return the words after a student's steps."""
        return self.run("--cohort", cohort, "status", number)


@pytest.fixture
def cohorts(status_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TwoCohorts:
    monkeypatch.setenv("STATUS_URL", status_url)
    monkeypatch.setenv("DESK_URL", f"sqlite:///{tmp_path / 'desk.db'}")
    made = TwoCohorts(tmp_path)
    made.run("db", "upgrade")
    return made


def test_summer_undergraduates_and_december_postgraduates_live_through_one_season(
    cohorts: TwoCohorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    of_its_own = Sql.pull

    def counted(self: Sql, *words: object) -> object:
        asked.append(self._question.source)
        return of_its_own(self, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(Sql, "pull", counted)
    # The first answer of the library waits in each cohort, and each run's commands name its cohort.
    said = cohorts.run("sync", code=4)
    assert asked.count("loans") == 1
    assert asked.count("roster") == 1
    assert "roster (2019s)" in said
    assert "roster (2019w)" in said
    # Nobody of December has the textbook centre's step.
    assert "books (2019s)" not in said.replace("applied books (2019s)", "")
    assert "(2019w)" in said.split("loans", 1)[1]
    waiting = [line for line in said.split("`") if line.startswith("clearance --cohort") and "approve" in line]
    assert [line.split()[2] for line in waiting] == ["2019s", "2019w"]
    for line in waiting:
        cohorts.run(*line.split()[1:])
    for cohort, held, free in (("2019s", "2015001", "2015002"), ("2019w", "2016101", "2016102")):
        assert "论文集" in cohorts.verdicts(cohort, held)
        assert "论文集" not in cohorts.verdicts(cohort, free)
    # One answer later each cohort has its own change.
    asked.clear()
    cohorts.bring_back("2016101")
    cohorts.lend("2015002")
    assert "nothing would change" in cohorts.run("plan", "books", code=0)
    planned = cohorts.run("plan", "loans", code=3)
    assert "loans (2019s): " in planned
    assert "loans (2019w): " in planned
    cohorts.run("sync", "loans")
    assert asked == ["loans", "loans"]
    assert "论文集" in cohorts.verdicts("2019s", "2015002")
    assert "论文集" not in cohorts.verdicts("2019w", "2016101")
    # Who leaves with the other cohort is not unmatched; who leaves with neither is.
    for cohort in ("2019s", "2019w"):
        unmatched = cohorts.run("--cohort", cohort, "unmatched")
        assert "7777777" in unmatched
        assert not any(number in unmatched for number in ("2015001", "2015002", "2016101"))
    checked = cohorts.run("check")
    assert checked.count("answers loans") == 1
    assert "roster (2019s)" in checked
    assert "roster (2019w)" in checked
    # Both cohorts, and what the two share: accounts and the audit log.
    assert cohorts.run("verify").count("everything agrees") == 3
    sun_takes_a_bachelors_certificate(cohorts)
    december_loses_its_loans_and_gets_them_back(cohorts)
    # Summer is over: December goes on alone, and what summer came to is still shown.
    closed = SETTINGS.replace('roster = "summer"\n', 'roster = "summer"\nclosed = true\n', 1)
    cohorts.file.write_text(closed, encoding="utf-8")
    said = cohorts.run("sync")
    assert "2019s" not in said
    assert "论文集" in cohorts.verdicts("2019s", "2015002")
    # A closed cohort's students are unmatched rows, as anybody is who does not leave.
    assert "2015002" in cohorts.run("unmatched")
    # Sun is a master by December, on a review and a certificate of that cohort's own.
    cohorts.run("reviews", "give", SUN, "final", "cleared", "--as", "dean", "--reason", "齐备")
    cohorts.run("certificates", "issue", SUN, "W-1", "--as", "dean")
    assert "W-1" in cohorts.run("certificates", "list")
    listed = cohorts.run("--cohort", "2019s", "certificates", "list")
    assert "S-1" in listed
    assert "W-1" not in listed
    for cohort in ("2019s", "2019w"):
        assert "everything agrees" in cohorts.run("--cohort", cohort, "verify")


def sun_takes_a_bachelors_certificate(cohorts: TwoCohorts) -> None:
    """Sun's textbooks are passed by hand in summer, then comes the review; December knows nothing of all this."""
    summer, winter = ("--cohort", "2019s"), ("--cohort", "2019w")
    cohorts.run("accounts", "add", "books", "--name", "教材", "--grant", "decide:textbook")
    cohorts.run("accounts", "add", "dean", "--name", "院长", "--grant", "review:final", "--grant", "issue:*")
    (cohorts.folder / "books.csv").write_text(f"学号,欠费\n2015002,30.00\n{SUN},12.00\n", encoding="utf-8")
    cohorts.run("sync", "books")
    give = ("reviews", "give", SUN, "final", "cleared", "--as", "dean", "--reason", "齐备")
    assert "textbook" in cohorts.run(*summer, *give, code=1)
    passed = ("override", "set", SUN, "textbook", "cleared", "--as", "books", "--reason", "现场缴清")
    cohorts.run(*summer, *passed)
    cohorts.run(*summer, *give)
    cohorts.run(*summer, "certificates", "issue", SUN, "S-1", "--as", "dean")
    # The step is none of December's, and neither is what was decided.
    assert "textbook" in cohorts.run(*winter, *passed, code=1)
    assert SUN not in cohorts.run(*winter, "override", "list")
    assert "S-1" not in cohorts.run(*winter, "certificates", "list")
    cohorts.run(*winter, "certificates", "issue", SUN, "W-0", "--as", "dean", code=1)


def december_loses_its_loans_and_gets_them_back(cohorts: TwoCohorts) -> None:
    """One answer of the library is held back in December and applied in summer; approved by mistake, it is undone."""
    winter = ("--cohort", "2019w")
    students = [number for number, _ in BOTH[1]]
    with sqlite3.connect(cohorts.folder / "library.db") as library:
        library.execute("DELETE FROM loans WHERE reader LIKE '2016%'")
    cohorts.lend(*students)
    cohorts.run("sync", "loans")
    assert all("论文集" in cohorts.verdicts("2019w", number) for number in students)
    # What the library says of Sun re-opens nothing of summer; it is listed there.
    assert "图书馆" in cohorts.run("--cohort", "2019s", "certificates", "list")
    for number in (*students, "2015001"):
        cohorts.bring_back(number)
    said = cohorts.run("sync", "loans", code=4)
    assert "applied loans (2019s)" in said
    assert "suspended loans (2019w)" in said
    assert "论文集" not in cohorts.verdicts("2019s", "2015001")
    assert "论文集" in cohorts.verdicts("2019w", students[1])
    (approve,) = [line for line in said.split("`") if "runs approve" in line]
    cohorts.run(*approve.split()[1:])
    assert "论文集" not in cohorts.verdicts("2019w", students[1])
    run = approve.split()[-1]
    assert "there is no run" in cohorts.run("--cohort", "2019s", "runs", "revert", run, "--dry-run", code=1)
    cohorts.run(*winter, "runs", "revert", run, "--reason", "the view was empty")
    assert all("论文集" in cohorts.verdicts("2019w", number) for number in students)
    # The view is right again, and Sun has returned the book.
    cohorts.lend(*students[1:])
    cohorts.run("sync", "loans")
    assert "论文集" not in cohorts.verdicts("2019w", SUN)
    assert "论文集" in cohorts.verdicts("2019w", students[1])


def test_a_number_of_one_cohort_that_is_a_card_in_another_is_doubtful_in_both(cohorts: TwoCohorts) -> None:
    cohorts.summer(("2015001", "张一", "2016102"), ("2015002", "李二", "A2"))
    first = SETTINGS.replace('means = "items"', 'means = "items"\nfirst = "apply"')
    cohorts.file.write_text(first, encoding="utf-8")
    cohorts.lend("2016102")
    cohorts.run("sync")
    assert "unknown" in cohorts.verdicts("2019w", "2016102")
    assert "unknown" in cohorts.verdicts("2019s", "2015001")
    assert "cleared" in cohorts.verdicts("2019s", "2015002")


def test_a_source_asked_by_number_is_asked_once_about_the_students_of_both(
    cohorts: TwoCohorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT reader, title, barcode FROM loans"
    by_number = SETTINGS.replace(
        f'query = "{query}"',
        f'query = "{query} WHERE reader IN :numbers"\n'
        'population = "SELECT reader FROM readers WHERE reader IN :numbers"',
    ).replace('means = "items"', 'means = "items"\nfirst = "apply"')
    cohorts.file.write_text(by_number, encoding="utf-8")
    with sqlite3.connect(cohorts.folder / "library.db") as library:
        library.execute("CREATE TABLE readers (reader TEXT)")
        library.executemany("INSERT INTO readers VALUES (?)", [(one[0],) for people in BOTH for one in people])
    asked: list[str] = []
    of_its_own = Sql.pull

    def counted(self: Sql, *words: object) -> object:
        asked.append(self._question.source)
        return of_its_own(self, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(Sql, "pull", counted)
    cohorts.run("sync", "roster")
    asked.clear()
    cohorts.run("sync", "loans")
    assert asked == ["loans"]
    assert "论文集" in cohorts.verdicts("2019s", "2015001")
    assert "论文集" in cohorts.verdicts("2019w", "2016101")
    # A student who joins one cohort does not make the answer for the other one too old.
    assert "cleared" in cohorts.verdicts("2019w", "2016102")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('roster = "winter"\n', "", '[[cohort]] "2019w" roster: is missing: name one of summer, winter'),
        ('roster = "winter"\n', 'roster = "autumn"\n', '[[cohort]] "2019w" roster: there is no [roster.autumn]'),
        ('roster = "winter"\n', 'roster = "summer"\n', '"2019s" has the same list: bind :cohort in its query'),
        ("[roster.winter]", '[roster.winter]\nlevel = "x"', "[roster.winter] level: unknown key"),
        ('levels = { "硕士" = "postgraduate" }', "", "[roster.winter] levels: is missing"),
        ('"硕士" = "postgraduate"', '"硕士" = "doctor"', '[roster.winter] levels: "硕士" means "doctor"'),
        ("[roster.winter]", "[rosters.winter]", "[rosters]: unknown key: write [roster.KEY]"),
        ("[roster.summer]", "[roster]", "[roster.winter]: [roster] has keys of its own"),
    ],
)
def test_each_mistake_about_rosters_is_named_with_its_key(
    before: str, after: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATUS_URL", "sqlite:///status.db")
    monkeypatch.setenv("DESK_URL", "sqlite:///desk.db")
    file = tmp_path / "clearance.toml"
    assert before in SETTINGS
    file.write_text(SETTINGS.replace(before, after), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert any(said in mistake for mistake in caught.value.mistakes), caught.value.mistakes


def test_one_roster_serves_one_open_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATUS_URL", "sqlite:///status.db")
    monkeypatch.setenv("DESK_URL", "sqlite:///desk.db")
    file = tmp_path / "clearance.toml"
    first, rest = SETTINGS.split("[roster.winter]")
    alone = first.replace("[roster.summer]", "[roster]").replace('roster = "summer"\n', "")
    alone = alone.replace('roster = "winter"\n', "") + "[[step]]" + rest.split("[[step]]", 1)[1]
    alone = alone.replace(
        'levels = { "本科" = "undergraduate" }', 'levels = { "本科" = "undergraduate", "硕士" = "postgraduate" }'
    )
    file.write_text(alone, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert '[roster]: a roster is for one cohort, and "2019s", "2019w" are open' in caught.value.mistakes[0]
    assert caught.value.mistakes[0].endswith("or set closed = true in the [[cohort]] that is over")
    file.write_text(alone.replace('key = "2019w"', 'key = "2019w"\nclosed = true'), encoding="utf-8")
    assert load_settings(file).open_cohorts() == ("2019s",)
