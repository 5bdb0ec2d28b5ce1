"""A release: `python -m supply.release` builds it into dist/, tries it outside this folder, and prints its files.

Nothing is downloaded: hatchling builds it, and the packages that it needs are copied from this environment.
"""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from supply.locks import ROOT, locked

FOLDER = ROOT / "dist"
CHANGELOG = ROOT / "CHANGELOG.md"

_UV = Path(sys.executable).with_name("uv")

#: Environment variables that must not affect the clean environment.
_OURS = ("CLEARANCE_", "DEMO_", "PYTHON", "VIRTUAL_ENV")


class ReleaseError(Exception):
    """The build cannot be released. The text has the fix."""


def project() -> dict[str, Any]:
    """Return pyproject.toml, the only file with the version."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def released(changelog: str) -> list[tuple[str, str]]:
    """Return the versions with a section in a changelog, with their dates, the newest first."""
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", changelog, re.MULTILINE)


def build(folder: Path) -> tuple[Path, Path]:
    """Build the source archive, and the wheel from that archive only; return both."""
    _run(
        _UV, "build", "--quiet", "--offline", "--no-build-isolation", "--python", sys.executable,
        "--out-dir", folder, "--no-create-gitignore",
    )  # fmt: skip
    name = f"clearance_sync-{project()['project']['version']}"
    return folder / f"{name}.tar.gz", folder / f"{name}-py3-none-any.whl"


def faults(wheel: Path) -> Iterator[str]:
    """Return a message for each missing file of a wheel, and for each file in it that git ignores or lacks."""
    rooms = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    listed = _run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *rooms).split("\0")
    ours = {name for name in listed if (ROOT / name).is_file()}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    yield from (f"{name} is missing: check [tool.hatch.build] in pyproject.toml" for name in sorted(ours - packed))
    yield from (f"{name} is not a file of the program: remove it" for name in sorted(packed - ours))


def install(wheel: Path, folder: Path) -> Path:
    """Create an environment with only this wheel and the packages of run.lock; return the folder of its commands."""
    venv.create(folder, symlinks=True)
    paths = {name: sysconfig.get_path(name, "venv", {"base": str(folder)}) for name in ("purelib", "scripts")}
    for name, version in locked("run"):
        _copy(name, version, Path(paths["purelib"]))
    python = Path(paths["scripts"]) / "python"
    _run(_UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel)
    _run(_UV, "pip", "check", "--quiet", "--python", python)
    return python.parent


def _copy(name: str, version: str, target: Path) -> None:
    """Copy an installed package into another environment, without its commands."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        # It is for another system; otherwise `uv pip check` reports it.
        return
    if found.version != version:
        raise ReleaseError(f"{name} {found.version} is installed, but {version} is locked. Run make install")
    for file in found.files or ():
        source = Path(str(found.locate_file(file)))
        if ".." not in file.parts and source.is_file():
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / file)


def try_demo(commands: Path, folder: Path) -> None:
    """Build and sync the demo university in an empty folder, with the installed commands."""
    clearance = commands / "clearance"
    version, printed = project()["project"]["version"], _run(clearance, "--version", cwd=folder).split()
    if printed != ["clearance", version]:
        raise ReleaseError(f"clearance --version prints {printed}, not {version}. Run make install, then make release")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    _run(clearance, "demo", "--once", "--finance-port", str(port), cwd=folder)


def _run(*words: str | Path, cwd: Path = ROOT) -> str:
    """Run a command without the program's environment variables; return its output. Raises ReleaseError."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    ended = subprocess.run(  # noqa: S603 - our own commands and paths
        [str(word) for word in words],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if ended.returncode:
        called = " ".join([Path(words[0]).name, *map(str, words[1:])])
        raise ReleaseError(f"{called} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def sums(files: Iterable[Path]) -> Iterator[str]:
    """Return a line for each file, as `sha256sum` writes it."""
    for file in files:
        yield f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}"


def main(folder: Path = FOLDER) -> None:
    """Build, check and try a release. Raises ReleaseError."""
    archive, wheel = build(folder)
    if wrong := list(faults(wheel)):
        raise ReleaseError("\n".join([f"{wheel.name} does not match the program's files:", *wrong]))
    with tempfile.TemporaryDirectory(prefix="clearance-release-") as made:
        outside = Path(made)
        (outside / "empty").mkdir()
        try_demo(install(wheel, outside / "environment"), outside / "empty")
    _say(f"Installed in a clean environment; clearance demo --once works there. In {folder}:")
    for line in sums((archive, wheel)):
        _say(line)
    version = project()["project"]["version"]
    if version not in dict(released(CHANGELOG.read_text(encoding="utf-8"))):
        _say(f"CHANGELOG.md has no section for {version} yet. Add one before you publish these files.")

    if _run("git", "status", "--porcelain"):
        _say("There are changes that are not committed. Commit them and build again before you publish these files.")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as error:
        sys.exit(str(error))
