"""A demo university for the commands, as tests.demo has it, and a small one."""

from collections.abc import Iterator

import pytest

from tests.demo.conftest import built, synced, university
from tests.services.small import Small, small

__all__ = ["built", "synced", "university"]


@pytest.fixture(scope="session")
def small_built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """A small university, synced once."""
    with small(tmp_path_factory.mktemp("small")) as made:
        yield made


@pytest.fixture
def university_of_three(small_built: Small) -> Small:
    """The same, put back to that."""
    small_built.put_back()
    return small_built
