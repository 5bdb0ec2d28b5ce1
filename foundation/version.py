"""The version of the installed program, as in pyproject.toml."""

from importlib.metadata import PackageNotFoundError, version

#: The version of a program that is not installed.
UNKNOWN = "unknown"


def program_version() -> str:
    """Return the installed version."""
    try:
        return version("clearance-sync")
    except PackageNotFoundError:
        return UNKNOWN
