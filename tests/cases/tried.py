"""What the cases of other programs share: a university with one source, made once and copied for each case."""

import json
import os
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.cases.test_cases_matching import STUDENTS, Office
from tests.services.in_process import Ended, command

#: A list's header, and one student that owes in most cases.
HEAD = "学号,收费项目,欠费\n"
OWES = "2015150001,学费,5000\n"
COLUMNS = 'columns = { student = "学号", title = "收费项目", amount = "欠费" }\nmeans = "balance"\n'

#: A word for each verdict; one of them for each student, in the roster's order.
LETTERS = {"held": "h", "unknown": "u", "cleared": "c", "exempt": "e"}


class Tried:
    """A university in a folder of its own, and what a sync of its one source did."""

    def __init__(self, folder: Path, source: str, **environ: str) -> None:
        for file in _upgraded():
            shutil.copy(file, folder)
        self._office = Office(folder, f"sqlite:///{folder / 'clearance.db'}")
        self._office._upgraded = True
        self._environ = environ
        self._office.settings(source)

    def run(self, *words: str) -> Ended:
        """Run a command, which never ends in a traceback."""
        environ = os.environ | {"STATUS_URL": self._office._url, "COLUMNS": "300"} | self._environ
        ended = command(["--config", str(self._office.file), *words], environ)
        assert "Traceback" not in ended.out + ended.err
        return ended

    def synced(self) -> tuple[int, str]:
        """Return how a sync ended, and what it printed on one line."""
        ended = self.run("sync")
        return ended.code, " ".join((ended.out + ended.err).split())

    def finding(self, number: str) -> dict[str, Any]:
        """Return the finding about a student."""
        ((standing),) = json.loads(self.run("status", number, "--json").out)["standings"]
        return dict(standing["step"]["finding"])

    def verdicts(self) -> str:
        """Return a letter for each student, in the roster's order."""
        return "".join(LETTERS[self.finding(number)["verdict"]] for number, _ in STUDENTS)


@cache
def _upgraded() -> tuple[Path, ...]:
    """Return the databases and the key of a university that nothing was asked of yet."""
    folder = Path(mkdtemp(prefix="tried"))
    office = Office(folder, f"sqlite:///{folder / 'clearance.db'}")
    office.settings(f'connector = "sheet"\npath = "none.csv"\n{COLUMNS}')
    return tuple(file for file in folder.iterdir() if file != office.file)


def held_to(tried: Tried, expected: str) -> None:
    """Compare with what is right: a letter for each student, or `EXIT: WORDS` of a refusal that changes nothing."""
    code, said = tried.synced()
    right, _, words = expected.partition(": ")
    if not words:
        assert (code, tried.verdicts()) == (0, expected), said
        return
    assert code == int(right), said
    assert words in said, said
    assert tried.finding(STUDENTS[0][0])["verdict"] == "unknown"
