"""The demo in a folder of one's choice: everything is in it, and nothing anywhere else."""

from pathlib import Path

import pytest

from tests.services.in_process import Ended, command
from tests.services.university import free_port


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command is called; the demo is beside it."""
    here = tmp_path / "elsewhere"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def names_in(folder: Path) -> set[str]:
    """Return what a folder has."""
    return {each.name for each in folder.iterdir()}


def demo(folder: Path, *words: str, before: tuple[str, ...] = ()) -> Ended:
    return command([*before, "demo", "--folder", str(folder), *words], {"HOME": str(folder.parent)})


@pytest.mark.slow
def test_the_university_is_built_there_and_found_again(elsewhere: Path, tmp_path: Path) -> None:
    folder, port = tmp_path / "new" / "university", str(free_port())
    ended = demo(folder, "--once", "--finance-port", port)
    assert ended.code == 0
    assert list(elsewhere.iterdir()) == []
    assert {"demo.toml", "clearance.db", "clock", "offices", "ledger.key"} <= names_in(folder)
    assert f"--config {folder / 'demo.toml'} demo advance" in ended.out.replace("\n", " ")
    assert "the offices are now at day 1" in demo(folder, "advance", "--finance-port", port).out
    named = command(["--config", str(folder / "demo.toml"), "sources", "--json"], {"HOME": str(tmp_path)})
    assert (named.code, "textbooks" in named.out) == (0, True)


def test_a_folder_with_other_files_is_refused_and_left_alone(elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.txt").write_text("x", encoding="ascii")
    ended = demo(tmp_path / "papers", "--once")
    assert ended.code == 1
    assert "has other files, and no demo. Nothing was written." in ended.err
    assert names_in(tmp_path / "papers") == {"thesis.txt"}


def test_a_file_in_place_of_the_folder_is_an_error_with_the_fix(elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="ascii")
    ended = demo(tmp_path / "file", "--once")
    assert (ended.code, "Traceback" in ended.err) == (1, False)
    assert "cannot be read or written" in ended.err


def test_a_settings_file_beside_it_is_a_contradiction(elsewhere: Path, tmp_path: Path) -> None:
    ended = demo(tmp_path / "new", "--once", before=("--config", "config/demo.toml"))
    assert ended.code == 2
    assert "--folder and --config contradict each other" in ended.err
    assert not (tmp_path / "new").exists()
