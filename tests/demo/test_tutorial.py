"""The tutorial's commands do what it shows, one after the other, on a demo university of their own."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.university import ROOT

#: The commands that end with another code than 0, each with the code that the tutorial names.
_OTHER_CODES = {"plan loans": 3, "sync textbooks": 4}


@pytest.mark.slow
def test_every_command_of_the_tutorial_ends_as_it_shows(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    shutil.copy(ROOT / "config" / "demo.toml", tmp_path / "config")
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    printed = ""
    for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            program, *words = shlex.split(line)
            command = (
                [sys.executable, "-m", "clearance", *words]
                if program.endswith("clearance")
                else [sys.executable, *words]
            )
            file = str(tmp_path / "config" / "demo.toml")
            command = [file if word == "config/demo.toml" else word for word in command]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            wanted = next((code for end, code in _OTHER_CODES.items() if line.endswith(end)), 0)
            assert done.returncode == wanted, f"{line}\n{done.stdout}{done.stderr}"
            printed += done.stdout
    assert "4,215 graduates" in printed
    assert "rows about roster students fall" in printed
    assert "run 9 of textbooks is rejected" in printed
    assert "cleared" in printed.rsplit("2015150001", 1)[1]
