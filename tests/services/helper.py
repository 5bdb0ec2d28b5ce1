"""A helper of the pages over a test's world: `python -m tests.services.helper FILE STATUS_URL NOW NUMBER`."""

import sys
from datetime import datetime
from pathlib import Path

from clearance.web import application
from config.load import load
from portal.web.apart import answer_all
from tests.world import SCHEMAS


def main() -> None:
    """Answer until the pipe is closed, at one moment."""
    file, url, now, number = sys.argv[1:]
    settings, moment = load(Path(file), SCHEMAS.get, {"STATUS_URL": url}), datetime.fromisoformat(now)
    answer_all(application(settings, clock=lambda: moment, desk=True), int(number))


if __name__ == "__main__":
    main()
