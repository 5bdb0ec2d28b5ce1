"""A demo university for the commands, as tests.demo has it."""

from tests.demo.conftest import synced, university

__all__ = ["synced", "university"]
