"""What the web server imports for the browser's tests: the pages of a settings file, on a clock that stands still."""

import os
from datetime import datetime
from pathlib import Path

from clearance.wiring import load_settings
from portal.app import create_app

_NOW = datetime.fromisoformat(os.environ["CLEARANCE_TEST_NOW"])

app = create_app(load_settings(Path(os.environ["CLEARANCE_TEST_FILE"])), clock=lambda: _NOW)
