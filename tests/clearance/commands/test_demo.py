"""The demo where no settings file is named: it brings its own, into the folder where it keeps everything else."""

from pathlib import Path

import pytest

from clearance.settings_file import CONFIG_VARIABLE
from tests.services.in_process import Ended, command
from tests.services.university import ROOT

SHIPPED = (ROOT / "config" / "demo.toml").read_bytes()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which the command is called."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def advance(folder: Path, **environ: str) -> Ended:
    return command(["demo", "advance"], {"HOME": str(folder), **environ})


def test_in_an_empty_folder_it_copies_its_own_settings_and_reads_them(here: Path) -> None:
    ended = advance(here)
    assert "the demo university is not built yet" in ended.err
    assert (here / ".demo" / "demo.toml").read_bytes() == SHIPPED


def test_settings_that_it_has_copied_are_not_written_again(here: Path) -> None:
    (here / ".demo").mkdir()
    changed = SHIPPED.replace("山海大学".encode(), "江湖大学".encode())
    (here / ".demo" / "demo.toml").write_bytes(changed)
    advance(here)
    assert (here / ".demo" / "demo.toml").read_bytes() == changed


@pytest.mark.parametrize("named", ["in the folder", "by the environment"])
def test_settings_that_were_chosen_are_refused_and_not_replaced(here: Path, named: str) -> None:
    file = here / ("clearance.toml" if named == "in the folder" else "other.toml")
    file.write_bytes(SHIPPED.replace(b'[demo]\nclock_file = "../.demo/clock"', b""))
    environ = {} if named == "in the folder" else {CONFIG_VARIABLE: str(file)}
    ended = advance(here, **environ)
    assert ended.code == 1
    assert "has no [demo] clock_file" in ended.err
    assert not (here / ".demo").exists()
