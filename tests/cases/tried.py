"""What the cases of other programs share: a university with one source, made once and copied for each case."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from tests.services.five_students import FEES, NUMBERS, FiveStudents, settings

#: A list's header, and one student that owes in most cases.
HEAD = "学号,收费项目,欠费\n"
OWES = "2015150001,学费,5000\n"
COLUMNS = 'columns = { student = "学号", title = "收费项目", amount = "欠费" }\nmeans = "balance"\n'

#: A word for each verdict; one of them for each student, in the roster's order.
LETTERS = {"held": "h", "unknown": "u", "cleared": "c", "exempt": "e"}


class Tried(FiveStudents):
    """A university with one source, and what a sync of it did."""

    def __init__(self, folder: Path, source: str, **environ: str) -> None:
        super().__init__(folder, **environ)
        for file in _tables():
            shutil.copy(file, folder)
        self.upgraded = True
        self.write(settings(FEES + source))

    def synced(self) -> tuple[int, str]:
        """Return how a sync ended, and what it printed on one line."""
        ended = self.ended("sync")
        return ended.code, " ".join((ended.out + ended.err).split())

    def letters(self) -> str:
        """Return a letter for each student, in the roster's order."""
        return "".join(LETTERS[verdict] for verdict in self.verdicts())


@cache
def _tables() -> tuple[Path, ...]:
    """Return the databases and the key of a university that nothing was asked of yet."""
    folder = Path(mkdtemp(prefix="tried"))
    made = FiveStudents(folder)
    made.write(settings(f'{FEES}connector = "sheet"\npath = "none.csv"\n{COLUMNS}'))
    return tuple(file for file in folder.iterdir() if file != made.file)


def held_to(tried: Tried, expected: str) -> None:
    """Compare with what is right: a letter for each student, or `EXIT: WORDS` of a refusal that changes nothing."""
    code, said = tried.synced()
    right, _, words = expected.partition(": ")
    if not words:
        assert (code, tried.letters()) == (0, expected), said
        return
    assert code == int(right), said
    assert words in said, said
    assert tried.finding(NUMBERS[0])["verdict"] == "unknown"
