"""Reading a sheet that somebody brought to the desk."""

from collections.abc import Sequence

from portal.desk.doors import SheetRead, SheetUnreadable


def read_sheet(content: bytes, name: str, needed: Sequence[str]) -> SheetRead:  # noqa: ARG001 - nothing is read yet
    """Return what a sheet holds beneath the header with the needed columns. Raises SheetUnreadable."""
    raise SheetUnreadable("kind", f"{name} cannot be read.")
