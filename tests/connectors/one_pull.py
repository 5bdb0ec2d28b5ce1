"""Ask one list in a small program of its own, and say what came and what it took: only so can memory be measured.

Called with the path and the connector's own keys as JSON; answers with a Said as JSON.
"""

import json
import re
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connectors import sheet
from connectors.port import Question, SourceError

# Nothing of the other tests is imported here: it would count as this program's own.
ROOT = Path(__file__).parents[2]

DORM = {"student": "学号", "status": "清退状态", "title": "宿舍房间号"}


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """How a pull ended."""

    #: The error's name; empty when rows came.
    failure: str
    what: str
    fix_text: str
    rows: int
    #: The most memory that the child had at any time, in bytes; and the program itself.
    child_took: int
    parent_took: int


def pulled(path: Path, **own: Any) -> SourceRecord:
    """Pull this list in another process."""
    words = [sys.executable, "-m", "tests.connectors.one_pull", str(path), json.dumps(own)]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8").stdout
    return SourceRecord(**json.loads(said))


def main() -> None:
    path, own = sys.argv[1], json.loads(sys.argv[2])
    settings = sheet.Settings.model_validate({"path": path, **own})
    failure, what, fix_text, rows = "", "", "", 0
    try:
        rows = len(sheet.connect(settings, Question("checkouts", DORM, lambda: datetime.now(UTC))).pull().rows)
    except SourceError as error:
        failure, what, fix_text = type(error).__name__, error.what, error.fix_text
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    # Its own RUSAGE_SELF would begin with what the program that started it had.
    high = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    parent = int(high[1]) * 1024 if high else 0
    sys.stdout.write(json.dumps(asdict(SourceRecord(failure, what, fix_text, rows, child, parent))))


if __name__ == "__main__":
    main()
