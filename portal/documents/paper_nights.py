"""The nightly sheets: a folder with one PDF for each step and each class, complete or not there at all.

Folders older than the nights to keep are deleted, but only the files that this module has written.
"""

import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from config.settings import Settings
from foundation.private_files import PRIVATE_FOLDER, flush, make_folder, write_new
from portal.documents import paper_pdf
from portal.documents.paper_pdf import PrintSet
from portal.documents.paper_sets import PaperWriter, visibility_of
from status_db.effective.visible import everything
from status_db.views import EVERYBODY

#: Lists the files of a folder that were written here.
_OURS = "clearance-paper.json"

#: The prefix of a folder that is not complete yet.
_UNFINISHED = ".unfinished-"

#: The longest time that printing takes.
_UNDER_WAY = timedelta(days=1)

#: A night, or a day with the time of a manual printing.
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}(-\d{6})?")

#: The longest file name: some systems allow 255 bytes, and a Chinese character has three.
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class PrintSelection:
    """What is printed: everything, or the sheets of these steps, or of these classes by name."""

    steps: Sequence[str] = ()
    classes: Sequence[str] = ()


def print_into(
    folder: Path,
    name: str,
    papers: PaperWriter,
    settings: Settings,
    cohort: str,
    narrowed: PrintSelection | None = None,
) -> tuple[Path, ...]:
    """Write the sheets into a new folder `name` inside `folder`, and return its files.

    The folder is complete or not there at all. If it exists already, nothing is written. Only this user can read it.
    Raise OSError and StoreError.
    """
    place = folder / name
    if place.exists():
        return ()
    make_folder(folder)
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
    try:
        written: list[Path] = []
        for file, made in _sets(papers, settings, cohort, narrowed or PrintSelection()):
            at = unfinished / _free(file, written)
            at.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            write_new(at, paper_pdf.write(made))
            written.append(at.relative_to(unfinished))
        write_new(unfinished / _OURS, json.dumps([path.as_posix() for path in written], ensure_ascii=False).encode())
        flush(unfinished)
        try:
            unfinished.rename(place)
        except OSError:
            # Another scheduler was first: its sheets are equally good.
            if place.exists():
                return ()
            raise
        flush(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return tuple(place / path for path in written)


def _sets(
    papers: PaperWriter, settings: Settings, cohort: str, narrowed: PrintSelection
) -> Iterator[tuple[Path, PrintSet]]:
    classes = [one for one in papers.classes if not narrowed.classes or one[1] in narrowed.classes]
    if narrowed.steps or not narrowed.classes:
        titles = {step.key: step.title for step in settings.step}
        for step in narrowed.steps or titles:
            visibility = visibility_of(settings, cohort, step, EVERYBODY)
            if not narrowed.classes:
                of_all = papers.of_step(step, visibility)
                if of_all is not None:
                    yield Path("按环节", f"{_safe_file_name(titles[step])}.pdf"), of_all
                continue
            for college, name in classes:
                of_one = papers.of_step(step, visibility, {"college": college, "class": name})
                if of_one is not None:
                    yield Path("按环节", f"{_safe_file_name(f'{titles[step]}-{college}-{name}')}.pdf"), of_one
    if not narrowed.steps:
        visibility = everything(settings, cohort)
        for college, name in classes:
            of_class = papers.of_class(college, name, visibility)
            if of_class is not None:
                yield Path("按班级", f"{_safe_file_name(f'{college}-{name}' if name else college)}.pdf"), of_class
    yield Path("空白单.pdf"), papers.blank_slip()


def _safe_file_name(name: str) -> str:
    """Return a file name that is valid on every system."""
    kept = "".join("_" if c in '\\/:*?"<>|' or not c.isprintable() else c for c in unicodedata.normalize("NFC", name))
    return kept[:_LONGEST_NAME].strip(". ") or "_"


def _free(file: Path, taken: Sequence[Path]) -> Path:
    """Return a file name that no other file has, even if upper and lower case are the same."""
    folded = {path.as_posix().casefold() for path in taken}
    found, more = file, 1
    while found.as_posix().casefold() in folded:
        more += 1
        found = file.with_stem(f"{file.stem} ({more})")
    return found


def prune(folder: Path, keep: int, now: datetime) -> tuple[Path, ...]:
    """Keep the newest `keep` days and delete the files written here on older ones. Return the deleted folders.

    A folder without a list of its files is not touched. Files that another program put there stay. Raise OSError.
    """
    ours = {found: listed for found in folder.iterdir() if (listed := _written_files(found)) is not None}
    days = sorted({found.name[:10] for found in ours}, reverse=True)[:keep]
    older = sorted(found for found in ours if found.name[:10] not in days)
    for found in older:
        _remove(found, ours[found])
    _sweep(folder, now)
    return tuple(older)


def _written_files(folder: Path) -> list[str] | None:
    """Return the files of a folder that were written here. None if the folder has no list."""
    if not _NAME.fullmatch(folder.name) or folder.is_symlink():
        return None
    try:
        listed = json.loads((folder / _OURS).read_bytes())
    except (OSError, ValueError):
        return None
    return listed if isinstance(listed, list) and all(isinstance(one, str) for one in listed) else None


def _remove(folder: Path, listed: Sequence[str]) -> None:
    inside = {one.resolve() for one in (folder, *_subfolders(folder))}
    for name in listed:
        file = folder / name
        # A list that was changed by others cannot name files outside the folder.
        if file.suffix == ".pdf" and file.parent.resolve() in inside:
            file.unlink(missing_ok=True)
    (folder / _OURS).unlink(missing_ok=True)
    for emptied in (*_subfolders(folder), folder):
        if not any(emptied.iterdir()):
            emptied.rmdir()


def _subfolders(folder: Path) -> list[Path]:
    return [part for part in folder.iterdir() if part.is_dir() and not part.is_symlink()]


def _sweep(folder: Path, now: datetime) -> None:
    """Delete what an interrupted printing left. Keep younger folders, which can still be in progress."""
    for left in folder.glob(f"{_UNFINISHED}*"):
        if left.is_dir() and left.stat().st_mtime < (now - _UNDER_WAY).timestamp():
            shutil.rmtree(left)
