"""A university of five students with one step, whose sources a test writes, and the commands that are run on it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.services.in_process import Ended, command

#: Number and name of everybody on the roster.
STUDENTS = (
    ("2015150001", "张一"),
    ("2015150002", "李二"),
    ("2015150003", "王三"),
    ("2015150004", "赵四"),
    ("0015150005", "钱五"),
)
NUMBERS = tuple(number for number, _ in STUDENTS)

_SETTINGS = """
[institution]
name = "山海大学"
timezone = "Asia/Shanghai"
[status_db]
url = "env:STATUS_URL"
[[cohort]]
key = "2019"
name = "2019届"
[roster]
every = "1 d"
levels = {{ "本科" = "undergraduate" }}
{roster}
[[step]]
key = "{step}"
title = "办理处"
office = {{ name = "办理处" }}
[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{{ step = "{step}" }}]
{sources}
"""

#: The head of the one source of most tests; its connector and what that needs follow.
FEES = '[source.fees]\nstep = "finance"\nevery = "1 h"\nfirst = "apply"\n'


def roster(cards: Mapping[str, str] | None = None) -> str:
    """Return a roster in the settings themselves; `cards` are other numbers of students."""
    rows = ", ".join(
        f'{{ "学号" = "{number}", "姓名" = "{name}", "层次" = "本科", "学院" = "资源学院", '
        f'"卡号" = "{(cards or {}).get(number, "")}" }}'
        for number, name in STUDENTS
    )
    columns = '{ student = "学号", name = "姓名", level = "层次", college = "学院", card = "卡号" }'
    return f'connector = "memory"\naliases = ["card"]\ncolumns = {columns}\nrows = [{rows}]'


def settings(sources: str, step: str = "finance", listed: str | None = None) -> str:
    """Return the settings with these sources of the one step; `listed` is the roster where it is another."""
    return _SETTINGS.format(sources=sources, step=step, roster=roster() if listed is None else listed)


class FiveStudents:
    """The university in a folder, on a status database; more of the environment by name."""

    #: What no command may print.
    secrets: tuple[str, ...] = ()

    def __init__(self, folder: Path, url: str | None = None, **environ: str) -> None:
        self.file = folder / "clearance.toml"
        self._environ = {"STATUS_URL": url or f"sqlite:///{folder / 'clearance.db'}", "COLUMNS": "300", **environ}
        #: Whether the databases have their tables.
        self.upgraded = False

    def write(self, text: str) -> None:
        """Write the settings file, and make the tables if there are none yet."""
        self.file.write_text(text, encoding="utf-8")
        if not self.upgraded:
            self.run("db", "upgrade")
            self.upgraded = True

    def ended(self, *words: str) -> Ended:
        """Run a command, which prints neither a traceback nor a secret."""
        ended = command(["--config", str(self.file), *words], os.environ | self._environ)
        said = ended.out + ended.err
        assert not [word for word in ("Traceback", *self.secrets) if word in said], said
        return ended

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command, expect its exit code, and return what it printed: of --json, the JSON alone."""
        ended = self.ended(*words)
        said = ended.out + ended.err
        assert ended.code == code, said
        return ended.out if "--json" in words else said

    def effective(self, number: str) -> dict[str, Any]:
        """Return the step of one student: its finding, and what counts."""
        (found,) = json.loads(self.run("status", number, "--json"))["standings"]
        return dict(found)

    def finding(self, number: str) -> dict[str, Any]:
        """Return the finding about one student."""
        return dict(self.effective(number)["step"]["finding"])

    def verdicts(self) -> list[str]:
        """Return the verdict about each student, in the roster's order."""
        return [self.finding(number)["verdict"] for number in NUMBERS]
