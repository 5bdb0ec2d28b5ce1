"""The quick commands as whole processes, beside a Python that does nothing."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed.rows import Measured, Row
from benchmarks.sync_cost import ROOT, Place, prepare

_STUDENT = "20150000004"

#: Words of the command → the most times the floor.
_COMMANDS = {("status", _STUDENT): 35.0, ("sources",): None, ("runs", "list"): None, ("unmatched",): None}

#: What any command of this kind imports.
_LIBRARIES = "import typer, rich.console, pydantic_settings, sqlalchemy"


def command_rows(rounds: int) -> list[Row]:
    """Measure them on a small roster, with bytecode that is there already, as in an installation."""
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        place = Place(folder, f"sqlite:///{folder / 'marks.db'}", f"sqlite:///{folder / 'library.db'}", 1_000)
        os.environ.update(BENCH_MARKS=place.marks, BENCH_LIBRARY=place.library)
        prepare(place)
        environ = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode"), "CLEARANCE_LANG": "en"}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        start = [sys.executable, "-m", "clearance", "--config", str(folder / "bench.toml")]
        _process([*start, "db", "upgrade"], environ)
        programs = {" ".join(words[:2]): [*start, *words] for words in _COMMANDS}
        programs |= {"imports": [sys.executable, "-c", _LIBRARIES], "pass": [sys.executable, "-c", "pass"]}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
        for at in range(1 + 3 * rounds):
            for name, program in programs.items():
                cost = _process(program, environ)
                if at:
                    found[name].append(cost)
    floor = "python -c pass"
    least = _measured(found["pass"])
    rows = [
        Row("Command", f"clearance {' '.join(words).replace(_STUDENT, 'NO')}", floor, target,
            _measured(found[" ".join(words[:2])]), least)
        for words, target in _COMMANDS.items()
    ]  # fmt: skip
    libraries = "import of Typer, rich, pydantic-settings and SQLAlchemy alone"
    return [*rows, Row("Command", libraries, floor, None, _measured(found["imports"]), least)]


def _process(program: Sequence[str], environ: dict[str, str]) -> tuple[float, float]:
    began = time.perf_counter()
    process = subprocess.Popen(program, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(program)} ended with exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - began


def _measured(found: Sequence[tuple[float, float]]) -> Measured:
    cpu, wall = zip(*found, strict=True)
    return Measured(cpu, wall)
