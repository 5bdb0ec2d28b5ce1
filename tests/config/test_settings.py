"""Settings: every mistake at once, each with its file, its key and the fix."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from clearance.settings_file import schema_of
from config.load import SettingsError, load
from config.processes import Process, missing
from config.settings import Settings
from tests.world import SETTINGS

ENVIRON = {"STATUS_URL": "sqlite:///status.db"}


def settings(tmp_path: Path, text: str = SETTINGS, environ: Mapping[str, str] = ENVIRON) -> Settings:
    file = tmp_path / "clearance.toml"
    file.write_text(text, encoding="utf-8")
    return load(file, schema_of, environ)


def mistakes(tmp_path: Path, text: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(tmp_path, text, environ)
    assert str(caught.value).startswith(str(tmp_path / "clearance.toml"))
    return caught.value.mistakes


def changed(old: str, new: str) -> str:
    assert SETTINGS.count(old) >= 1, old
    return SETTINGS.replace(old, new, 1)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    read = settings(tmp_path)
    assert read.institution.name == "山海大学"
    assert read.sources_of("library") == ("loans", "fines")


def test_columns_may_stand_in_any_order_and_the_student_comes_first(tmp_path: Path) -> None:
    text = changed('student = "CARD", amount = "AMOUNT"', 'amount = "AMOUNT", student = "CARD"')
    assert next(iter(settings(tmp_path, text).source["fines"].columns)) == "student"


def test_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings(tmp_path).portal, "port", 1)  # noqa: B010 - what a type checker would not let through


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('contact = "', 'contcat = "', '[institution] contcat: unknown key: write "contact", or remove it'),
        ('name = "山海大学"\n', "", "[institution] name: is missing: add it"),
        ('"Asia/Shanghai"', '"Asia/Nowhere"', '[institution] timezone: "Asia/Nowhere" is not a time zone'),
        ('means = "items"', 'means = "things"', "[source.loans] means: "),
        ('every = "15 min"', 'every = "soon"', '[source.loans] every: "soon" is not a duration'),
        ('every = "15 min"\n', "", '[source.loans] every: exactly one of every and cron is needed: set every ='),
        ('every = "15 min"', 'every = "15 min"\ncron = "0 7 * * *"', "exactly one of every and cron is needed"),
        ('every = "15 min"', 'every = "2 d"', "it counts from midnight, so it cannot exceed a day"),
        ('step = "library"\nconnector', 'step = "libary"\nconnector', '[source.loans] step: there is no step "libary"'),
        ('connector = "memory"\nmeans = "items"', 'connector = "smoke"\nmeans = "items"',
         'there is no connector "smoke"'),
        ('columns = { student = "CARD", amount', 'columns = { amount', "[source.fines] columns: student is missing"),
        ('student = "CARD", amount = "AMOUNT"', 'student = "CARD"',
         "[source.fines] columns: amount is missing, and balance needs it"),
        ('title = "TITLE", due', 'paid = "TITLE", due', 'paid changes a sum, which only means = "balance" has'),
        ('title = "TITLE", due', 'tittle = "TITLE", due', "[source.loans] columns: tittle is not a known field"),
        ('words = { done = ["已清退"], ', "words = { ", '[source.checkouts] words: "done" is missing'),
        ('not_done = ["未清退"]', 'not_done = ["已清退"]', 'words: "已清退" is a duplicate'),
        ('means = "items"', 'means = "items"\nabsent = "held"', 'absent: "held" is only for means'),
        ('aliases = ["card", "former"]', 'aliases = ["badge"]', '[roster] aliases: "badge" is not a mapped column'),
        ('"本科" = "undergraduate"', '"本科" = "bachelor"', 'means "bachelor", which no flow has'),
        ('college = "学院"\n', "", "[roster] columns: college is missing"),
        ('{ step = "dorm" },\n', '{ step = "dorm", after = ["library"] },\n',
         "only a review can wait"),
        ('{ step = "library" }, { step = "finance" }', '{ step = "library" }, { step = "library" }', "duplicate entry"),
        ('key = "postgraduate"', 'key = "undergraduate"', '[[flow]] "undergraduate": duplicate key'),
        ('[source.loans]', '[source.roster]', "this name is reserved for the roster"),
        ('where = "总馆一楼", hours = "8:00–17:30"', 'where = "总馆一楼", open = { workday = ["8-12"] }',
         'places.*.open.workday.0: "8-12" are not hours of one day: write them as "8:00-11:30"'),
        ('[roster]\n', '[calendar]\nholidays = [{ first = 2019-06-09, last = 2019-06-07 }]\n\n[roster]\n',
         "[calendar] holidays.0: 2019-06-07 is before 2019-06-09: swap the two"),
        ('name = "2019届"\n', 'name = "2019届"\ncollect."*" = { when = "6月" }\n',
         '[[cohort]] "2019" collect.*.where: is missing'),
        ('[roster]\n', '[portal]\nrecheck_day_limit = 0\n\n[roster]\n', "[portal] recheck_day_limit: input should be"),
        ('every = "15 min"', 'cron = "@daily"', '[source.loans] cron: "@daily" is a name'),
        ('every = "15 min"', 'cron = "0 0 7 * * *"', '[source.loans] cron: "0 0 7 * * *" has six fields'),
        ('every = "15 min"', 'cron = "0 7 31 2 *"', '[source.loans] cron: "0 7 31 2 *" never runs'),
        ('every = "1 d"', 'cron = "0 7 1 * 1"', "[roster] cron: "),
        ('[roster]\n', '[desk.paper]\ncron = "0 2 31 2 *"\n\n[roster]\n', 'paper.cron: "0 2 31 2 *" never runs'),
        ('[roster]\n', '[desk.paper]\ncron = "at night"\n\n[roster]\n', "write five fields, such as"),
        ('key = "dorm"', 'key = "dorms"', 'entry "dorm": there is no such step'),
    ],
)  # fmt: skip
def test_each_mistake_is_reported_with_its_place_and_the_fix(tmp_path: Path, old: str, new: str, said: str) -> None:
    found = mistakes(tmp_path, changed(old, new))
    assert any(said in mistake for mistake in found), found


def test_all_mistakes_are_reported_at_once(tmp_path: Path) -> None:
    text = changed('contact = "', 'contcat = "').replace('means = "items"', 'means = "things"')
    text = text.replace('connector = "memory"\nmeans = "status"', 'connector = "smoke"\nmeans = "status"')
    assert len(mistakes(tmp_path, text)) >= 3


def test_a_name_with_a_line_break_stays_on_the_line_of_its_mistake(tmp_path: Path) -> None:
    cohort = '[[cohort]]\nkey = "2019\\n "\nname = "2019"\nroster = "nowhere"\n\n'
    found = mistakes(tmp_path, SETTINGS.replace("[[cohort]]", cohort + "[[cohort]]", 1))
    assert any(r'[[cohort]] "2019\n "' in mistake for mistake in found), found
    assert all("\n" not in mistake for mistake in found), found


def test_a_connectors_own_keys_are_checked_by_the_connector(tmp_path: Path) -> None:
    text = changed(
        'connector = "memory"\nmeans = "items"',
        'connector = "sql"\nurl = "sqlite:///a.db"\nqery = "SELECT 1"\nmeans = "items"',
    )
    found = mistakes(tmp_path, text)
    assert any('[source.loans] qery: unknown key: write "query", or remove it' in m for m in found)
    assert any("[source.loans] query: is missing" in m for m in found)


def test_a_variable_wins_over_the_file(tmp_path: Path) -> None:
    read = settings(
        tmp_path, environ={**ENVIRON, "CLEARANCE__PORTAL__PORT": "9000", "CLEARANCE__INSTITUTION__CONTACT": "x"}
    )
    assert read.portal.port == 9000
    assert read.institution.contact == "x"
    assert read.institution.name == "山海大学"


def test_a_variable_with_a_mistake_is_reported_like_the_file(tmp_path: Path) -> None:
    assert any(
        "[portal] port" in m for m in mistakes(tmp_path, SETTINGS, {**ENVIRON, "CLEARANCE__PORTAL__PORT": "many"})
    )


def test_a_variable_changes_one_key_of_one_source_and_no_other(tmp_path: Path) -> None:
    before = settings(tmp_path).source
    after = settings(tmp_path, environ={**ENVIRON, "CLEARANCE__SOURCE__LOANS__TITLE": "x"}).source
    assert after["loans"].title == "x"
    assert list(after) == list(before), "in the file's order"
    assert {**after, "loans": after["loans"].model_copy(update={"title": before["loans"].title})} == before


@pytest.mark.parametrize("key", ["_env_file", "_cli_parse_args", "environ"])
def test_a_key_of_the_file_is_never_an_argument_of_what_reads_it(tmp_path: Path, key: str) -> None:
    assert any(key in m and "unknown key" in m for m in mistakes(tmp_path, f'{key} = "x"\n{SETTINGS}'))


def test_what_is_no_table_is_reported_with_its_place(tmp_path: Path) -> None:
    assert any(m.startswith("log:") or "[log]" in m for m in mistakes(tmp_path, f"log = 3\n{SETTINGS}"))


def test_a_missing_variable_is_named(tmp_path: Path) -> None:
    read = settings(tmp_path, SETTINGS, {})
    for process in Process:
        (said,) = missing(read, process)
        assert said.startswith("[status_db] url: the environment variable STATUS_URL is not set: set it"), process


def test_a_secret_that_is_written_behind_env_is_not_repeated(tmp_path: Path) -> None:
    settings = SETTINGS.replace('"env:STATUS_URL"', '"env:sqlite://u:hidden-word@x"')
    assert settings != SETTINGS
    found = mistakes(tmp_path, settings, {})
    assert any("the text after env: is not a variable's name" in mistake for mistake in found)
    assert not any("hidden" in mistake for mistake in found)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"[institution\n", "invalid TOML"), ("名".encode("gb18030"), "save it as UTF-8")],
)
def test_a_file_that_cannot_be_read_explains_what_to_do(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "clearance.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        load(file, schema_of, ENVIRON)


def test_a_file_that_is_not_there_explains_how_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--config"):
        load(tmp_path / "nowhere.toml", schema_of, ENVIRON)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "clearance.toml"
    file.write_text(SETTINGS, encoding="utf-8-sig")
    assert load(file, schema_of, ENVIRON).institution.name == "山海大学"


class TestSecrets:
    URL = "postgresql+psycopg://sync:very-secret-word@127.0.0.1/clearance"

    def test_a_password_in_the_file_is_refused(self, tmp_path: Path) -> None:
        found = mistakes(tmp_path, changed('url = "env:STATUS_URL"', f'url = "{self.URL}"'))
        assert any("must not be in the settings file" in mistake for mistake in found)
        assert not any("very-secret-word" in mistake for mistake in found)

    def test_from_a_variable_or_a_file_it_is_taken_and_never_shown(self, tmp_path: Path) -> None:
        (tmp_path / "url").write_text(self.URL + "\n", encoding="utf-8")
        for text, environ in (
            (SETTINGS, {"STATUS_URL": self.URL}),
            (changed("env:STATUS_URL", "file:url"), {}),
        ):
            read = settings(tmp_path, text, environ)
            assert read.status_db.url.reveal() == self.URL
            assert "very-secret-word" not in repr(read)
            assert "very-secret-word" not in read.model_dump_json()

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        (said,) = missing(settings(tmp_path, changed("env:STATUS_URL", "file:nowhere")), Process.SYNC)
        assert "nowhere" in said
        assert "create it" in said

    def test_a_fallback_counts_where_a_variable_is_not_set(self, tmp_path: Path) -> None:
        text = changed("env:STATUS_URL", "env:ELSEWHERE:-sqlite:///fallback.db")
        assert settings(tmp_path, text).status_db.url.reveal() == f"sqlite:///{tmp_path / 'fallback.db'}"

    def test_a_relative_file_starts_at_the_settings_folder(self, tmp_path: Path) -> None:
        assert settings(tmp_path).status_db.url.reveal() == f"sqlite:///{tmp_path / 'status.db'}"


def test_the_demos_own_file_has_no_mistake(tmp_path: Path) -> None:
    file = Path(__file__).parent.parent.parent / "config" / "demo.toml"
    (tmp_path / "config").mkdir()
    (tmp_path / ".demo" / "offices").mkdir(parents=True)
    (tmp_path / ".demo" / "offices" / "finance-password").write_text("word\n", encoding="ascii")
    copy = tmp_path / "config" / "demo.toml"
    copy.write_bytes(file.read_bytes())
    assert len(load(copy, schema_of, {}).source) == 5


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('card = "一卡通"', 'card = "身份证号"', "[roster] columns: card"),
        ('former = "原学号"', 'former = "SFZJH"', "[roster] columns: former"),
        ('card = "一卡通"', 'card = "一卡通"\nid_card = "no"', "[roster] columns: id_card"),
        ('reference = "BARCODE"', 'reference = "借阅人身份证号"', "[source.loans] columns: reference"),
        ('student = "XH"', 'student = "ZJHM"', "[source.fees] columns: student"),
    ],
)
def test_a_column_with_the_number_of_an_identity_document_is_refused(
    tmp_path: Path, old: str, new: str, where: str
) -> None:
    said = mistakes(tmp_path, changed(old, new))
    assert any(line.startswith(where) and "none is ever stored here" in line for line in said), said


def test_a_roster_column_that_serves_nothing_is_refused(tmp_path: Path) -> None:
    text = changed('card = "一卡通"', 'card = "一卡通"\nphone = "手机"')
    (said,) = mistakes(tmp_path, text)
    assert said.startswith("[roster] columns: phone is not used")
    settings(tmp_path, text.replace('["card", "former"]', '["card", "former", "phone"]'))
    settings(tmp_path, text.replace('exempt = [{ building = ["校外走读"] }]', 'exempt = [{ phone = ["无"] }]'))
