"""Which version of the program this is: the one that pyproject.toml names, as it was installed."""

from importlib.metadata import PackageNotFoundError, version

#: Where the program runs without having been installed.
UNKNOWN = "unknown"


def program_version() -> str:
    """Return the installed version."""
    try:
        return version("clearance-sync")
    except PackageNotFoundError:
        return UNKNOWN
