"""Two institutions in two schemas of one PostgreSQL database."""

from pathlib import Path

import pytest

from tests.services.institutions import Installation


@pytest.fixture
def empty(tmp_path: Path, postgres_url: str) -> Installation:
    """An installation without institutions."""
    return Installation(tmp_path / "institutions", postgres_url)


@pytest.fixture
def two(empty: Installation) -> Installation:
    """Two institutions, each synced once."""
    for key in ("pku", "thu"):
        empty.add(key)
        empty.run(key, "sync")
    return empty
