"""Writes a folder as a whole: every file, or none."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clearance.setup import toml_text
from clearance.setup.proposal import SetupCode, SetupRefused
from foundation.private_files import PRIVATE_FILE, flush, make_folder, write_new
from foundation.translation import tr

#: The mode of files that hold no secret, and of programs.
_READABLE, _PROGRAM = 0o644, 0o755


def write_folder(folder: Path, files: Mapping[str, str], *, secret: frozenset[str], programs: frozenset[str]) -> None:
    """Write these files into a folder that is new, or empty. Raises SetupRefused; then nothing is there.

    They are written into a folder beside it, which is then renamed. `secret` files are for their owner only.
    """
    refuse_existing(folder)
    try:
        make_folder(folder.parent)
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            for name, text in files.items():
                file = new / name
                make_folder(file.parent)
                write_new(file, text.encode())
                file.chmod(PRIVATE_FILE if name in secret else _PROGRAM if name in programs else _READABLE)
            flush(new)
            new.rename(folder)
            flush(folder.parent)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise SetupRefused(
            SetupCode.FOLDER,
            tr(
                "{folder} cannot be written ({why}). Nothing was written. Choose a folder that you may write, on a "
                "disk with room.",
                folder=folder,
                why=error.strerror,
            ),
        ) from None


def refuse_existing(folder: Path) -> None:
    """Raise SetupRefused where something is there already."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise SetupRefused(
            SetupCode.EXISTS,
            tr(
                "{folder} exists and has no clearance.toml. Nothing is overwritten: choose a new folder.", folder=folder
            ),
        )


def keep_answers(answers: Mapping[str, Any], folder: Path) -> Path | None:
    """Write answers into a new file in the folder, for its owner only; None where it cannot be written."""
    lines: list[str] = []
    for name, given in answers.items():
        for one in given if isinstance(given, list) else [given]:
            head = f"[[{name}]]" if isinstance(given, list) else f"[{name}]"
            lines += [*toml_text.table(head, one), ""]
    for number in range(1, 100):
        file = folder / ("answers.toml" if number == 1 else f"answers-{number}.toml")
        try:
            write_new(file, "\n".join(lines).encode())
        except FileExistsError:
            continue
        except OSError:
            return None
        return file
    return None
