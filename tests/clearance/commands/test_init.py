"""`clearance init` and `clearance source add`, as a person runs them: what is written, and what is refused whole."""

import stat
import tomllib
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from typer.testing import CliRunner

from clearance.main import app
from clearance.settings_file import load_settings

ROSTER = "学号,姓名,培养层次,学院,班级\n2015150001,张一,本科,文学院,15001\n2015150002,李二,硕士研究生,文学院,15001\n"
DORM = "学号,房间号,清退状态\n2015150001,301,在住\n2015150002,302,已清退\n"
FEES = "学号,收费项目,欠费\n2015150001,学费,1200.00\n2015150002,住宿费,0\n"

ANSWERS = """
[institution]
name = "山海大学"

[cohort]
key = "2027"
name = "2027届"
opens = 2027-05-25
closes = 2027-06-06

[server]
public_url = "https://clearance.shanhai.edu.cn"
desk_public_url = "https://staff.shanhai.edu.cn"

[sign_in]
kind = "cas"
keys = { url = "https://cas.shanhai.edu.cn/cas" }

[roster]
sheet = "roster.csv"

[[source]]
name = "rooms"
step = "dorm"
sheet = "dorm.csv"

[[source]]
name = "loans"
step = "library"
database = "env:LIBRARY_URL"
"""


class Site:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.new = folder / "new"
        for name, lines in (("roster.csv", ROSTER), ("dorm.csv", DORM), ("fees.csv", FEES)):
            (folder / name).write_text(lines, encoding="utf-8")
        engine = create_engine(f"sqlite:///{folder / 'library.db'}", poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE base (cardno TEXT, title TEXT, duedate TEXT, barcode TEXT)"))
            connection.execute(text("INSERT INTO base VALUES ('2015150001', '唐诗选', '2027-05-30', 'B1')"))
            connection.execute(text("CREATE VIEW v_loans AS SELECT cardno, title, duedate, barcode FROM base"))
            connection.execute(text("DROP TABLE IF EXISTS other"))
        engine.dispose()

    def init(self, answers: str = ANSWERS, *more: str) -> tuple[int, str]:
        file = self.folder / "answers.toml"
        file.write_text(answers, encoding="utf-8")
        return self.run("init", str(self.new), "--answers", str(file), *more)

    def add(self, *words: str) -> tuple[int, str]:
        return self.run("--config", str(self.new / "clearance.toml"), "source", "add", *words)

    def run(self, *words: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    def written(self) -> set[str]:
        return {file.relative_to(self.new).as_posix() for file in self.new.rglob("*") if file.is_file()}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("LIBRARY_URL", f"sqlite:///{tmp_path / 'library.db'}")
    monkeypatch.setenv("CLEARANCE_DB", f"sqlite:///{tmp_path / 'status.db'}")
    return Site(tmp_path)


LOANS = ANSWERS.replace('database = "env:LIBRARY_URL"', 'database = "env:LIBRARY_URL"\ntable = "v_loans"')


def test_init_writes_settings_that_load_and_everything_a_server_needs(site: Site) -> None:
    code, output = site.init(LOANS)
    assert code == 0, output
    settings = load_settings(site.new / "clearance.toml")
    assert settings.sources_of("dorm") == ("rooms",)
    assert settings.source["loans"].columns == {
        "student": "cardno", "title": "title", "due": "duedate", "reference": "barcode",
    }  # fmt: skip
    kinds = {entry.step: entry.kind for entry in settings.flow[0].entries}
    assert kinds == {
        "library": "synced", "textbook": "manual", "finance": "manual", "dorm": "synced", "college": "manual",
        "final_review": "review",
    }  # fmt: skip
    assert settings.cohort[0].rehearsal
    assert settings.auth.cas is not None
    assert {
        "env/owner", "env/sync", "env/pages", "env/desk", "roles/owner_db", "postgres/roles.sh", "bin/clearance-as",
        "systemd/clearance-pages.service", "systemd/clearance-pages.service.d/secrets.conf", "nginx/clearance.conf",
        "NEXT.md",
    } <= site.written()  # fmt: skip
    assert "server_name staff.shanhai.edu.cn;" in (site.new / "nginx/clearance.conf").read_text()
    unit = (site.new / "systemd/clearance-pages.service.d/secrets.conf").read_text()
    assert "EnvironmentFile=/etc/clearance/pages/env" in unit
    assert "LoadCredential" not in unit


def test_an_offices_secret_is_in_the_env_file_of_the_sync_alone(site: Site) -> None:
    site.init(LOANS)
    holders = [name for name in site.written() if "library.db" in (site.new / name).read_text(encoding="utf-8")]
    assert holders == ["env/sync"]
    for name in ("env/sync", "env/owner", "roles/sync_db"):
        assert stat.S_IMODE((site.new / name).stat().st_mode) == 0o600


def test_the_first_check_of_the_written_settings_reads_every_source(site: Site) -> None:
    site.init(LOANS)
    config = ("--config", str(site.new / "clearance.toml"))
    assert site.run(*config, "db", "upgrade")[0] == 0
    code, output = site.run(*config, "check")
    assert code == 0, output
    assert output.count("answers") >= 3


def test_numbers_and_names_of_people_are_masked_in_what_is_written_and_shown(site: Site) -> None:
    _, output = site.init(LOANS)
    written = "".join((site.new / name).read_text(encoding="utf-8") for name in site.written())
    assert "******0001" in written
    assert "2015150001" not in written + output
    assert "张一" not in written + output


def test_init_never_overwrites_and_adds_what_is_missing(site: Site) -> None:
    site.init(LOANS)
    file = site.new / "clearance.toml"
    before = file.read_bytes().replace(b'{ step = "finance", kind = "manual" }', b'{ step = "finance" }')
    file.write_bytes(before.replace(b"[source.rooms]", b"# mine \xe6\x88\x91\xe7\x9a\x84\n[source.rooms]"))
    before = file.read_bytes()
    more = LOANS + '\n[[source]]\nname = "fees"\nstep = "finance"\nsheet = "fees.csv"\n'
    code, output = site.init(more)
    assert code == 0, output
    assert file.read_bytes().startswith(before)
    assert set(load_settings(file).source) == {"rooms", "loans", "fees"}
    assert site.init(more)[0] == 0
    assert file.read_bytes().count(b"[source.fees]") == 1


def test_a_folder_with_other_files_is_not_touched(site: Site) -> None:
    site.new.mkdir()
    (site.new / "thesis.txt").write_text("mine")
    code, output = site.init(LOANS)
    assert code == 1
    assert "Nothing is overwritten" in output
    assert site.written() == {"thesis.txt"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("closes = 2027-06-06", "closes = 2027-05-06"), "before it opens"),
        (('sheet = "dorm.csv"', 'sheet = "dorm.csv"\nurl = "http://x.test"'), "keep the one where the list is"),
        (('sheet = "dorm.csv"', ""), "where is it?"),
        (('name = "rooms"', 'name = "loans"'), "two of this name"),
        (("https://staff.shanhai.edu.cn", "https://clearance.shanhai.edu.cn"), "are the same"),
        (("[server]", '[server]\ndatabase = "sqlite"'), "cannot share an SQLite file"),
        (("https://staff.shanhai.edu.cn", "https://staff.shanhai.edu.cn/lx"), "one address has a path"),
        (('kind = "cas"', 'kind = "local"'), "has no keys"),
        (('key = "2027"', 'key = "20 27"'), "[cohort] key"),
        (("[roster]", "[roster"), "invalid TOML"),
        (('sheet = "roster.csv"', 'sheet = "fees.csv"'), "No list of students was found"),
        (("env:LIBRARY_URL", "env:NOT_SET_HERE"), "export NOT_SET_HERE"),
    ],
)
def test_answers_that_do_not_fit_are_refused_and_nothing_is_written(
    site: Site, change: tuple[str, str], why: str
) -> None:
    assert change[0] in LOANS
    code, output = site.init(LOANS.replace(*change))
    assert code == 1
    assert why in " ".join(output.split())
    assert sorted(file.name for file in site.folder.iterdir() if file.name.startswith((".", "new"))) == []


def test_without_a_terminal_and_without_answers_it_asks_for_answers(site: Site) -> None:
    code, output = site.run("init", str(site.new))
    assert code == 2
    assert "--answers" in output


def test_source_add_appends_and_keeps_every_byte(site: Site) -> None:
    site.init(LOANS)
    file = site.new / "clearance.toml"
    file.write_bytes(file.read_bytes().replace(b'{ step = "finance", kind = "manual" }', b'{ step = "finance" }'))
    before = file.read_bytes()
    code, output = site.add("--sheet", str(site.folder / "fees.csv"), "--step", "finance")
    assert code == 0, output
    assert file.read_bytes().startswith(before)
    added = tomllib.loads(file.read_text(encoding="utf-8"))["source"]["fees"]
    assert added["columns"] == {"student": "学号", "amount": "欠费", "title": "收费项目"}


def test_source_add_to_a_step_that_is_manual_is_refused_with_the_fix(site: Site) -> None:
    site.init(LOANS)
    before = (site.new / "clearance.toml").read_bytes()
    code, output = site.add("--sheet", str(site.folder / "fees.csv"), "--step", "finance")
    assert code == 1
    assert 'where it is "manual"' in " ".join(output.split())
    assert (site.new / "clearance.toml").read_bytes() == before


def test_source_add_shows_a_proposal_and_writes_nothing(site: Site) -> None:
    site.init(LOANS)
    before = (site.new / "clearance.toml").read_bytes()
    code, output = site.add("--sheet", str(site.folder / "fees.csv"), "--show")
    assert code == 0
    assert "[source.fees]" in output
    assert (site.new / "clearance.toml").read_bytes() == before


@pytest.mark.parametrize("words", [(), ("--sheet", "x.csv", "--answers", "a.toml"), ("--sheet", "a", "--url", "b")])
def test_source_add_needs_one_list(site: Site, words: tuple[str, ...]) -> None:
    site.init(LOANS)
    assert site.add(*words)[0] in (1, 2)


def test_a_path_below_a_host_is_written_into_the_site(site: Site) -> None:
    answers = LOANS.replace("https://clearance.shanhai.edu.cn", "https://www.shanhai.edu.cn/lx").replace(
        "https://staff.shanhai.edu.cn", "https://www.shanhai.edu.cn/lx-staff"
    )
    code, output = site.init(answers)
    assert code == 0, output
    text = (site.new / "nginx/clearance-prefix.conf").read_text()
    assert "location /lx/ {" in text
    assert "location /lx-staff/ {" in text
    assert "leave" not in text


def test_one_service_on_sqlite_has_one_env_file_beside_the_owners(site: Site) -> None:
    answers = LOANS.replace("[server]", '[server]\ndatabase = "sqlite"\nprocesses = "one"\nproxy = "caddy"')
    code, output = site.init(answers)
    assert code == 0, output
    assert {name for name in site.written() if name.startswith("env/")} == {"env/owner", "env/sync"}
    assert "systemd/clearance-up.service" in site.written()
    assert "staff.shanhai.edu.cn {" in (site.new / "caddy/Caddyfile").read_text()
