"""A demo university for the commands, as tests.demo has it."""

from tests.demo.conftest import built, synced, university

__all__ = ["built", "synced", "university"]
