"""Files as a real spreadsheet program writes them: LibreOffice without a screen."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.patience import PATIENCE

_MISSING = "soffice is not here: apt-get install --no-install-recommends libreoffice-calc-nogui"


def converted(files: Sequence[Path], kind: str, folder: Path) -> list[Path]:
    """Have LibreOffice open files and save them as another kind; return where they are.

    Where it is not installed, the test is skipped, or fails where `CLEARANCE_TEST_REQUIRE_OFFICE` is set.
    """
    program = shutil.which("soffice")
    if program is None:
        if os.environ.get("CLEARANCE_TEST_REQUIRE_OFFICE"):
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    # A profile of its own: several of them may be at work.
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    # UTF-8, commas, and the first column as text: as a clerk chooses it who knows what becomes of long numbers.
    reading = "--infilter=CSV:44,34,76,1,1/2"
    arguments = [program, profile, "--headless", "--norestore", reading, "--convert-to", kind, "--outdir", str(folder)]
    subprocess.run([*arguments, *map(str, files)], check=True, capture_output=True, timeout=PATIENCE)
    return [folder / f"{file.stem}.{kind.partition(':')[0]}" for file in files]
