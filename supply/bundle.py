"""A bundle for machines without a network: `python -m supply.bundle` writes one archive into dist/.

It has the program's wheel, the wheels of requirements/bundle.lock for one kind of machine, what a server needs, the
documents, and two scripts: install.sh and upgrade.sh. Only the wheels are downloaded, each with its locked hash.
"""

import argparse
import gzip
import json
import os
import platform
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from supply import release, sbom
from supply.locks import LOCKS, ROOT
from supply.release import ReleaseError

#: The versions of Python whose wheels a bundle has, unless the command line names others.
PYTHONS = ("3.11", "3.12", "3.13")

#: The newest glibc that a wheel may need: that of Kylin V10.
NEWEST_GLIBC = (2, 28)

#: Tags from before a tag named its glibc.
_NAMED = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}

#: What has no place on a server: examples for developers, and the configuration of the site.
_NOT_DOCUMENTS = ("docs/templates/", "docs/site/", "docs/decisions/")

Version = tuple[int, int]


def download(folder: Path, arch: str, pythons: Iterable[str]) -> None:
    """Download the wheels of bundle.lock for one kind of machine. Raises ReleaseError."""
    major, newest = NEWEST_GLIBC
    tags = [f"manylinux_{major}_{minor}_{arch}" for minor in range(5, newest + 1)]
    tags += [f"{name}_{arch}" for name in _NAMED]
    for python in pythons:
        abis = (f"cp{python.replace('.', '')}", "abi3", "none")
        release.run(
            sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input", "download",
            "--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", LOCKS["bundle"],
            "--implementation", "cp", "--python-version", python, *(f"--abi={abi}" for abi in abis),
            *(f"--platform={tag}" for tag in tags), "--dest", folder,
        )  # fmt: skip


def oldest_glibc(wheels: Iterable[str]) -> Version:
    """Return the oldest glibc on which each of these wheels runs."""
    needed = (2, 5)
    for name in wheels:
        platforms = {tag.platform for tag in parse_wheel_filename(name)[3]}
        if platforms != {"any"}:
            needed = max(needed, min(map(_glibc, platforms)))
    return needed


def _glibc(tag: str) -> Version:
    """Return the glibc of a platform's tag."""
    if found := re.match(r"manylinux_(\d+)_(\d+)_", tag):
        return int(found[1]), int(found[2])
    name = tag.partition("_")[0]
    if name not in _NAMED:
        raise ReleaseError(f"{tag} is not a platform that a bundle can be for")
    return _NAMED[name]


def assemble(folder: Path, wheel: Path, arch: str, pythons: Sequence[str], version: str) -> None:
    """Complete a folder that has the downloaded wheels: the program, the files of a server, the list of sums."""
    shutil.copy(wheel, folder / "wheels")
    (folder / "requirements").mkdir()
    shutil.copy(LOCKS["bundle"], folder / "requirements")
    for name in _documents():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=shutil.ignore_patterns("bundle"))
    for script in (ROOT / "deploy" / "bundle").iterdir():
        shutil.copy(script, folder)
    shutil.copy(ROOT / "LICENSE", folder)
    bill = json.dumps(sbom.made("bundle"), indent=2, ensure_ascii=False)
    (folder / "clearance-sync-bundle.cdx.json").write_text(f"{bill}\n", encoding="utf-8")
    glibc = ".".join(map(str, oldest_glibc(file.name for file in (folder / "wheels").iterdir())))
    (folder / "bundle.env").write_text(
        f"VERSION={version}\nARCH={arch}\nGLIBC={glibc}\nPYTHONS='{' '.join(pythons)}'\n", encoding="ascii"
    )
    (folder / "README.txt").write_text(_readme(version, arch, glibc, pythons), encoding="utf-8")
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = [f"{release.sha256(file)}  {file.relative_to(folder).as_posix()}" for file in files]
    (folder / "SHA256SUMS").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _documents() -> Iterator[str]:
    listed = release.run("git", "ls-files", "-z", "--", "*.md", "docs/screenshots").split("\0")
    for name in listed:
        if name.startswith(("docs/", "README", "CHANGELOG", "SECURITY")) and not name.startswith(_NOT_DOCUMENTS):
            yield name


def _readme(version: str, arch: str, glibc: str, pythons: Sequence[str]) -> str:
    versions = ", ".join(pythons)
    return f"""Clearance Sync {version} for {arch}, without a network
It needs glibc {glibc} or later, and Python {versions} with its venv module.

  tried:      Debian 12 (glibc 2.36, Python 3.11)
  not tried:  Kylin V10 (glibc 2.28), openEuler 22.03 and later (glibc 2.34 and later). The tags of the wheels allow
              glibc {glibc}; install Python {pythons[0]} or later first if the system's own is older.

  sha256sum -c SHA256SUMS     compares all files; install.sh and upgrade.sh do it themselves
  sudo ./install.sh           a server; the next steps are in docs/deploy.md
  sudo ./upgrade.sh           a newer version; takes everything back when a step fails
  ./install.sh --program-only DIR

Clearance Sync {version}，{arch}，离线安装包
需要 glibc {glibc} 或更高版本，以及带 venv 模块的 Python {"、".join(pythons)}。

  已试过：Debian 12（glibc 2.36，Python 3.11）
  未试过：麒麟 V10（glibc 2.28），openEuler 22.03 及以后（glibc 2.34 及以后）。各 wheel 的标签要求 glibc {glibc}；
          系统自带的 Python 较旧时，先装 Python {pythons[0]} 或更高版本。

  sha256sum -c SHA256SUMS     核对全部文件；install.sh 和 upgrade.sh 会自行核对
  sudo ./install.sh           装到服务器；后面的步骤见 docs/zh/deploy.md
  sudo ./upgrade.sh           升级；某一步失败时全部退回
"""


def pack(folder: Path, archive: Path) -> None:
    """Write a folder as an archive. The same files give the same archive."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = "root"
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    with (
        archive.open("wb") as raw,
        # The wheels are compressed already.
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for file in [folder, *sorted(folder.rglob("*"))]:
            tar.add(file, file.relative_to(folder.parent).as_posix(), recursive=False, filter=plain)


def build(to: Path, wheel: Path, wheels: Path, arch: str, pythons: Sequence[str], version: str) -> Path:
    """Write the archive of a program's wheel and downloaded wheels into a folder; return it."""
    name = f"clearance-sync-{version}-bundle-{arch}"
    to.mkdir(parents=True, exist_ok=True)
    archive = to / f"{name}.tar.gz"
    with tempfile.TemporaryDirectory(prefix="clearance-bundle-") as made:
        folder = Path(made, name)
        shutil.copytree(wheels, folder / "wheels")
        assemble(folder, wheel, arch, pythons, version)
        # A name that is there belongs to a whole archive.
        pack(folder, archive.with_suffix(".partial"))
    os.replace(archive.with_suffix(".partial"), archive)  # noqa: PTH105 - over an older one
    return archive


def main(words: Sequence[str] | None = None) -> None:
    """Build the bundle. Raises ReleaseError."""
    options = argparse.ArgumentParser(prog="make bundle")
    options.add_argument("--arch", default=platform.machine(), choices=("x86_64", "aarch64"))
    options.add_argument("--python", action="append", metavar="X.Y", help=f"default: {' '.join(PYTHONS)}")
    given = options.parse_args(words)
    pythons: Sequence[str] = given.python or PYTHONS
    with tempfile.TemporaryDirectory(prefix="clearance-wheels-") as made:
        wheels = Path(made, "wheels")
        sys.stdout.write(f"Downloading the wheels for {given.arch}, Python {', '.join(pythons)} ...\n")
        sys.stdout.flush()
        download(wheels, given.arch, pythons)
        wheel = release.build(Path(made, "dist"))[1]
        if wrong := list(release.faults(wheel)):
            raise ReleaseError("\n".join([f"{wheel.name} does not match the program's files:", *wrong]))
        archive = build(release.FOLDER, wheel, wheels, given.arch, pythons, release.project()["project"]["version"])
        glibc = ".".join(map(str, oldest_glibc(file.name for file in wheels.iterdir())))
    sys.stdout.write(
        f"It needs glibc {glibc} or later. In {release.FOLDER}:\n{release.sha256(archive)}  {archive.name}\n"
    )


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as error:
        sys.exit(str(error))
