"""Which browser there is, and how it is started."""

import os
import shutil

from playwright.sync_api import Browser, BrowserType

#: Without these, the browser asks for hosts of its maker at every start.
_QUIET = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 800}

MISSING = (
    "there is no chromium: install it (Debian: apt-get install chromium-headless-shell), or set CLEARANCE_TEST_CHROMIUM"
)


def chromium_path() -> str | None:
    """Return the browser's program; None where there is none."""
    # The same engine without a window costs a third of the time.
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CLEARANCE_TEST_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def launched(kind: BrowserType) -> Browser:
    """Start it. Raises RuntimeError where there is none."""
    path = chromium_path()
    if path is None:
        raise RuntimeError(MISSING)
    # Nothing but our own pages is opened; a container's root has no other way.
    sandbox = () if os.geteuid() else ("--no-sandbox",)
    return kind.launch(executable_path=path, args=[*_QUIET, *sandbox])
