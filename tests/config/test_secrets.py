"""A secret is a reference: looked up by who uses it, when it is used, and shown by no one."""

from pathlib import Path

import pytest

from clearance.settings_file import schema_of
from config.load import load
from config.processes import Process, missing, missing_anywhere
from config.settings import Settings
from config.tables.secrets import DatabaseUrl, Origin, Secret, SecretUnusable
from sync import rule_settings
from tests.world import SETTINGS

OFFICES = """
[source.loans]
step = "library"
connector = "sql"
url = "env:OFFICE_URL"
query = "SELECT card, title FROM loans WHERE kind = :kind"
parameters = { kind = "env:KIND" }
columns = { student = "card", title = "title" }
means = "items"
every = "15 min"

[source.fees]
step = "finance"
connector = "rest"
url = "env:FEES_URL"
records = "data"
paging = { kind = "page", page = "p", size = "n", per_page = 50 }
total = "total"
headers = { "X-Who" = "env:WHO" }
columns = { student = "no", amount = "sum" }
means = "balance"
every = "15 min"
[source.fees.auth]
kind = "token"
url = "env:FEES_URL"
send = { user = "env:WHO" }
send_secret = { password = "env:WORD" }

[source.beds]
step = "dorm"
connector = "sip2"
host = "env:HOST"
user = "clerk"
password = "env:WORD"
terminal_password = "env:WORD"
asks = "loans"
means = "items"
every = "15 min"
"""
ENVIRON = {
    "OFFICE_URL": "postgresql+psycopg://reader:hidden@office/koha", "KIND": "book", "WHO": "us", "WORD": "hidden-word",
    "FEES_URL": "https://fees.example.edu.cn/api", "HOST": "sip.example.edu.cn", "STATUS_URL": "sqlite:///s.db",
}  # fmt: skip

SIGN_IN = """
[portal]
public_url = "https://leave.example.edu.cn"
[auth.oidc]
issuer = "env:ISSUER"
client_id = "env:CLIENT"
client_secret = "env:OIDC_SECRET"
[auth.ldap]
url = "env:LDAP_URL"
base = "dc=example"
bind_dn = "cn=us"
bind_password = "env:LDAP_WORD"
"""


def settings(folder: Path, environ: dict[str, str], more: str = "") -> Settings:
    file = folder / "clearance.toml"
    file.write_text(SETTINGS.split("[source.loans]")[0] + OFFICES + more, encoding="utf-8")
    return load(file, schema_of, environ)


class TestTheValue:
    def test_it_shows_its_reference_alone(self) -> None:
        secret = Secret("env:WORD", Origin(Path(), {"WORD": "hidden-word"}))
        assert (repr(secret), str(secret), f"{secret}") == ("Secret(env:WORD)", "env:WORD", "env:WORD")
        assert secret.reveal() == "hidden-word"
        assert "hidden-word" not in repr(Secret.given("hidden-word"))

    def test_two_are_equal_where_they_refer_to_the_same_place(self) -> None:
        here, there = Origin(Path(), {"WORD": "a"}), Origin(Path(), {"WORD": "b"})
        assert Secret("env:WORD", here) == Secret("env:WORD", there)
        assert hash(Secret("env:WORD", here)) == hash(Secret("env:WORD", there))
        assert Secret("env:WORD", here) != Secret("env:OTHER", here)
        assert Secret.given("a") != Secret.given("b")

    def test_nothing_can_be_set_on_it(self) -> None:
        with pytest.raises(AttributeError):
            setattr(Secret.given("a"), "value", "b")  # noqa: B010 - what a type checker would not let through

    def test_a_file_that_was_exchanged_is_read_with_the_next_use(self, tmp_path: Path) -> None:
        secret = Secret("file:word", Origin(tmp_path, {}))
        with pytest.raises(SecretUnusable, match="create it, readable only by this user"):
            secret.reveal()
        for word in ("first", "second"):
            (tmp_path / "word").write_text(f"{word}\n", encoding="utf-8")
            assert secret.reveal() == word

    def test_a_database_url_from_elsewhere_is_looked_at_when_it_is_used(self, tmp_path: Path) -> None:
        url = DatabaseUrl("env:URL", Origin(tmp_path, {"URL": "mysql+pymysql://reader:hush@mum@office/koha"}))
        with pytest.raises(SecretUnusable, match="write %40 for it") as caught:
            url.reveal()
        assert "hush" not in str(caught.value)


def test_settings_are_read_without_looking_one_secret_up(tmp_path: Path) -> None:
    class Watched(dict[str, str]):
        def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
            asked.append(key)
            return super().get(key, default)

    asked: list[str] = []
    read = settings(tmp_path, Watched(ENVIRON | {"ISSUER": "https://id.example.edu.cn"}), SIGN_IN)
    assert {"OFFICE_URL", "WORD", "STATUS_URL", "OIDC_SECRET", "LDAP_WORD"} & set(asked) == set()
    assert not [word for word in ("hidden", "reader") if word in repr(read) + read.model_dump_json()]


def test_what_is_asked_and_where_have_the_digests_that_existing_databases_hold(tmp_path: Path) -> None:
    read = settings(tmp_path, ENVIRON)
    digests = {
        name: (rule_settings.source_rule(read, name).question.hex(), rule_settings.location(source).hex())
        for name, source in read.source.items()
    }
    assert digests == {
        "loans": ("13b24046d948853281de655bec3f124f", "117e76365ff15a7f199ebc79c21420d8"),
        "fees": ("73cc5cb35522f81df65ae34878d2663c", "4545a348ba282f606901941e591bce2c"),
        "beds": ("69e0daf9d5eeda47603cf6832efda567", "fe4b75254709799802976653275dd42d"),
    }
    changed = ENVIRON | {"WORD": "another", "OFFICE_URL": ENVIRON["OFFICE_URL"].replace("hidden", "changed")}
    read = settings(tmp_path, changed)
    assert digests == {
        name: (rule_settings.source_rule(read, name).question.hex(), rule_settings.location(source).hex())
        for name, source in read.source.items()
    }


class TestEachProcess:
    OWN = """
portal_url = "env:PORTAL_DB"
operator_url = "env:OPERATOR_DB"
desk_url = "env:DESK_DB"
ledger_key_file = "env:LEDGER_KEY"
"""

    def missing(self, folder: Path, process: Process, *environ: str) -> set[str]:
        """Return the keys that a process misses where these variables are set."""
        values = {
            "ISSUER": "https://id.example.edu.cn",
            "LDAP_URL": "ldaps://ldap.example.edu.cn",
        }
        read = settings(folder, {name: values.get(name, "sqlite:///x.db") for name in environ}, SIGN_IN)
        return {line.split(":", 1)[0] for line in missing(read, process)}

    @pytest.fixture(autouse=True)
    def own_databases(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = SETTINGS.replace('url = "env:STATUS_URL"\n', f'url = "env:STATUS_URL"{self.OWN}')
        assert text != SETTINGS
        monkeypatch.setattr(f"{__name__}.SETTINGS", text)

    def test_the_pages_need_two_databases_and_the_providers(self, tmp_path: Path) -> None:
        providers = {"[auth.oidc] issuer", "[auth.oidc] client_id", "[auth.oidc] client_secret", "[auth.ldap] url"}
        providers |= {"[auth.ldap] bind_password"}
        databases = {"[status_db] portal_url", "[status_db] desk_url"}
        assert self.missing(tmp_path, Process.PAGES) == providers | databases
        own = ("PORTAL_DB", "DESK_DB", "ISSUER", "CLIENT", "OIDC_SECRET", "LDAP_URL", "LDAP_WORD")
        assert self.missing(tmp_path, Process.PAGES, *own) == set()

    def test_the_desk_needs_its_own_and_the_ledgers_key(self, tmp_path: Path) -> None:
        signs_in = ("ISSUER", "CLIENT", "OIDC_SECRET", "LDAP_URL", "LDAP_WORD")
        lacks = {"[status_db] operator_url", "[status_db] desk_url", "[status_db] ledger_key_file"}
        assert self.missing(tmp_path, Process.DESK, *signs_in) == lacks
        assert self.missing(tmp_path, Process.DESK, *signs_in, "OPERATOR_DB", "DESK_DB", "LEDGER_KEY") == set()

    def test_the_sync_needs_no_database_but_the_marks_and_the_schedule_the_desks_too(self, tmp_path: Path) -> None:
        lacks = {"[status_db] url", "[status_db] ledger_key_file"}
        assert self.missing(tmp_path, Process.SYNC) == lacks
        assert self.missing(tmp_path, Process.SCHEDULE) == lacks | {"[status_db] desk_url"}
        assert self.missing(tmp_path, Process.SYNC, "STATUS_URL", "LEDGER_KEY") == set()

    def test_each_missing_one_is_named_with_its_processes(self, tmp_path: Path) -> None:
        found = missing_anywhere(settings(tmp_path, {"STATUS_URL": "sqlite:///x.db"}, SIGN_IN))
        (client,) = [of for line, of in found.items() if line.startswith("[auth.oidc] client_secret: ")]
        assert client == ["serve pages", "serve desk", "serve"]

    def test_of_a_source_each_missing_secret_is_named_with_its_key(self, tmp_path: Path) -> None:
        read = settings(tmp_path, {"KIND": "book"})
        (why,) = read.source["loans"].unusable
        assert why == (
            "[source.loans] url: the environment variable OFFICE_URL is not set: set it before starting, or use "
            "file:PATH"
        )
        keys = [line.split(":")[0] for line in read.source["fees"].unusable]
        lacks = ["url", "headers.X-Who", "auth.url", "auth.send.user", "auth.send_secret.password"]
        assert keys == [f"[source.fees] {key}" for key in lacks]
