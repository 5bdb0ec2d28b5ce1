"""Files that are written for good, for their owner alone."""

import stat
from pathlib import Path

import pytest

from foundation.private_files import write_new


class TestANewFile:
    def test_it_is_whole_and_its_owners_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        write_new(file, b"secret\n")
        assert file.read_bytes() == b"secret\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_what_is_there_already_stays(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_bytes(b"first")
        with pytest.raises(FileExistsError):
            write_new(file, b"second")
        assert file.read_bytes() == b"first"
