"""What the web server imports for the browser's tests: the pages and the desk of a settings file, on a still clock."""

import os
from datetime import datetime
from pathlib import Path

from clearance.settings_file import load_settings
from clearance.web import application

_NOW = datetime.fromisoformat(os.environ["CLEARANCE_TEST_NOW"])
_SETTINGS = load_settings(Path(os.environ["CLEARANCE_TEST_FILE"]))

app = application(_SETTINGS, clock=lambda: _NOW, desk=True)
