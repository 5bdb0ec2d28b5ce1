"""The demo writes nothing at a real university, and its accounts open nothing there."""

from datetime import timedelta
from pathlib import Path

import pytest
import typer
from starlette.testclient import TestClient
from typer.testing import CliRunner

from clearance.commands.demo import app as demo
from clearance.main import app
from clearance.web import application
from config.settings import Demo, Settings
from portal.auth.passwords import hash_password
from status_db.accounts import api_tokens
from status_db.accounts.accounts import AccountRefused, Accounts, Act, Grant, LastManager
from status_db.accounts.api_tokens import Tokens
from status_db.accounts.directory import AccountDirectory
from status_db.sign_in.one_time_codes import Codes
from tests.portal.conftest import token_in
from tests.world import World

COMMANDS = [(), *((command,) for command in typer.main.get_group(demo).commands)]
PASSWORD = "everybody-knows-it"  # the demo's own is as public
LONG = timedelta(days=1)
HASHED = hash_password(PASSWORD)


def run(world: World, *words: str, code: int = 0) -> str:
    """Run a command on a university's settings; return all it printed."""
    done = CliRunner().invoke(
        app, ["--config", str(world.file), *words], env={"STATUS_URL": world.url, "COLUMNS": "400"}
    )
    assert done.exit_code == code, (words, done.output, done.exception)
    return done.output


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_the_demo_without_its_clock_touches_nothing(
    words: tuple[str, ...], sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sqlite_world.file.parent
    for engine in (sqlite_world.reading, sqlite_world.engine, sqlite_world.desk_engine):
        engine.dispose()

    def files() -> dict[Path, bytes]:
        return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    def started(*_: object, **__: object) -> None:
        pytest.fail("a process was started or a port was asked")

    monkeypatch.setattr("subprocess.Popen", started)
    monkeypatch.setattr("urllib.request.urlopen", started)
    before, text = files(), sqlite_world.file.read_text(encoding="utf-8")
    assert "[demo]" not in text
    said = run(sqlite_world, "demo", *words, code=1)
    assert "has no [demo] clock_file" in said
    assert said.strip().endswith("clearance --config config/demo.toml demo")
    assert files() == before
    assert not (folder.parent / ".demo").exists()


@pytest.fixture
def visited(sqlite_world: World) -> World:
    """A real university's database in which the demo has been: `dean` and `admin` are the demo's, `li` is not."""
    made, now = Accounts(sqlite_world.desk, demo=True), sqlite_world.now
    everything = [Grant(Act.READ), Grant(Act.DECIDE), Grant(Act.MANAGE)]
    made.add("dean", "校领导", HASHED, grants=everything, now=now, demo=True)
    made.add("admin", "管理员", HASHED, grants=everything, now=now, demo=True)
    made.add("li", "李", HASHED, grants=everything, now=now)
    return sqlite_world


def of_a_demo(world: World) -> Settings:
    """Return the same settings with a demo's clock."""
    return world.settings.model_copy(update={"demo": Demo.model_construct(clock_file=world.file.with_name("clock"))})


class TestAnAccountOfTheDemo:
    @pytest.mark.parametrize("is_demo", [False, True], ids=["real", "demo"])
    def test_signs_in_and_brings_a_token_where_the_demo_is_alone(self, visited: World, *, is_demo: bool) -> None:
        settings = of_a_demo(visited) if is_demo else visited.settings
        made = Accounts(visited.desk, demo=True)
        made.open_session(b"from before", "dean", visited.now, longest=LONG)
        secret = api_tokens.new_token()
        by_demo = Tokens(visited.desk, demo=True)
        by_demo.make(api_tokens.hash_of(secret), "t", "dean", visited.now + LONG, by="x", now=visited.now)
        app = application(settings, clock=visited.clock)
        try:
            with TestClient(app, base_url="http://testserver", follow_redirects=False) as browser:
                for account, opens in (("li", True), ("dean", is_demo)):
                    browser.cookies.clear()
                    form = {
                        "account": account,
                        "password": PASSWORD,
                        "form_token": token_in(browser.get("/sign-in")),
                    }
                    assert (browser.post("/sign-in", data=form).status_code == 303) is opens, account
                browser.cookies.clear()
                answer = browser.get("/api/v1/sources", headers={"Authorization": f"Bearer {secret}"})
                assert answer.status_code == (200 if is_demo else 401)
            services = app.state.services
            session = services.accounts.find_session(b"from before", visited.now, idle=LONG, longest=LONG)
            assert (session is not None) is is_demo
            assert services.directory.one("dean").active is is_demo
        finally:
            app.state.services.close()

    def test_acts_in_no_command_and_gets_no_code_and_no_token(self, visited: World) -> None:
        before = visited.accounts.listed()
        for words in (
            ("override", "set", "20150001", "library", "cleared", "--reason", "现场归还", "--as", "dean"),
            ("accounts", "deactivate", "li", "--as", "DEAN "),
            ("accounts", "activate", "dean"),
            ("expect", "withdraw", "1", "--as", "dean"),
            ("tokens", "create", "t", "--as", "dean"),
            ("accounts", "hand-over", "li", "dean"),
        ):
            said = run(visited, *words, code=1)
            assert '"dean" was made by the demo' in said, said
        assert visited.accounts.listed() == before
        with pytest.raises(AccountRefused, match="made by the demo"):
            Codes(visited.desk, visited.desk_key).make("dean", made_by="x", now=visited.now, lasts=LONG)

    def test_replaces_no_manager_and_no_reviewer(self, visited: World) -> None:
        with pytest.raises(LastManager):
            visited.accounts.deactivate("li")
        assert {account for account, _ in AccountDirectory(visited.desk_engine).holders(Act.MANAGE)} == {"li"}

    def test_is_named_by_check_and_in_the_list(self, visited: World) -> None:
        assert "the demo created accounts in this database: admin, dean. Their password is public" in run(
            visited, "check"
        )
        assert run(visited, "accounts", "list").count("no, the demo's") == 2
        with visited.file.open("a", encoding="utf-8") as settings:
            settings.write('\n[demo]\nclock_file = "clock"\n')
        assert "made by the demo" not in run(visited, "check")
        assert "the demo's" not in run(visited, "accounts", "list")
