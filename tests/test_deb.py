"""The Debian package: its places, its scripts and its manual page. Building it whole takes wheels: `make deb`."""

import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from supply import deb, release
from supply.manual_page import manual_page
from supply.reference.commands_page import commands
from tests.services.university import ROOT

VERSION: str = release.project()["project"]["version"]


@pytest.fixture(scope="module")
def page() -> str:
    """The manual page, from a process of its own, because the tests may have another language."""
    code = "import sys; from supply.manual_page import manual_page; sys.stdout.write(manual_page('1.2.3'))"
    return release.run(sys.executable, "-c", code)


def test_the_manual_page_has_every_command_and_its_options(page: str) -> None:
    plain = page.replace(r"\-", "-")
    for path, _ in commands():
        assert re.search(rf"^\.SS {' '.join(path)}\b", plain, re.MULTILINE) or path == ("clearance",), path
    assert r"\fB--finance-port\fR" in plain
    assert page.startswith('.TH CLEARANCE 1 "" "clearance 1.2.3"')


@pytest.mark.skipif(shutil.which("man") is None, reason="there is no man: apt-get install man-db")
def test_man_shows_the_page_without_a_warning(page: str, tmp_path: Path) -> None:
    (tmp_path / "clearance.1").write_text(page, encoding="utf-8")
    shown = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", tmp_path / "clearance.1"], capture_output=True, text=True
    )
    assert (shown.returncode, shown.stderr) == (0, "")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The package's files without its environment, which needs wheels."""
    folder = tmp_path / "package"
    deb._units(folder)
    return folder


def test_the_units_run_the_packages_own_command(package: Path) -> None:
    units = package / "usr" / "lib" / "systemd" / "system"
    ours = {each.relative_to(ROOT / "deploy" / "systemd") for each in (ROOT / "deploy" / "systemd").rglob("*.service")}
    assert {each.relative_to(units) for each in units.rglob("*.service")} == ours
    for file in [*units.rglob("*"), package / "usr" / "bin" / "clearance-as"]:
        if file.is_file():
            assert "/opt/" not in file.read_text(encoding="utf-8"), file
    for drop_in in (ROOT / "deploy" / "systemd").glob("*.service.d/*.conf"):
        assert (units / drop_in.parent.name / drop_in.name).is_file()


def test_its_settings_file_is_a_conffile_and_its_scripts_start_nothing(package: Path, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "a-1-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    deb.describe(package, VERSION, tmp_path / "wheels")
    debian = package / "DEBIAN"
    conffile = (debian / "conffiles").read_text(encoding="ascii").strip()
    assert (package / conffile.removeprefix("/")).is_file()
    assert "libc6 (>= 2.28)" in (debian / "control").read_text(encoding="utf-8")
    for name in ("postinst", "prerm", "postrm"):
        text = (debian / name).read_text(encoding="ascii")
        assert subprocess.run(["sh", "-n", debian / name]).returncode == 0
        assert not re.search(r"systemctl (enable|start|restart)|db upgrade|userdel|rm -rf /(etc|var)", text), name


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="there is no dpkg-deb")
def test_dpkg_reads_what_is_packed(package: Path, tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    deb.describe(package, VERSION, tmp_path / "wheels")
    deb.pack(package, tmp_path / "a.deb")
    fields = subprocess.run(["dpkg-deb", "--field", tmp_path / "a.deb"], capture_output=True, text=True, check=True)
    assert f"Version: {VERSION}\n" in fields.stdout
    listed = subprocess.run(["dpkg-deb", "--contents", tmp_path / "a.deb"], capture_output=True, text=True, check=True)
    assert re.search(r"^-rwxr-xr-x root/root .* \./usr/bin/clearance-as$", listed.stdout, re.MULTILINE)
    assert re.search(r"^-rw-r--r-- root/root .* \./etc/clearance/clearance\.toml$", listed.stdout, re.MULTILINE)


def test_the_page_of_the_package_is_packed(tmp_path: Path) -> None:
    deb._gzip(tmp_path / "man1" / "clearance.1.gz", manual_page(VERSION))
    assert gzip.decompress((tmp_path / "man1" / "clearance.1.gz").read_bytes()).startswith(b".TH CLEARANCE 1")
