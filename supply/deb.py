"""A Debian package: `python -m supply.deb` writes it into dist/, with dpkg-deb.

It has the program with its own environment in /usr/lib/clearance-sync, the units, a manual page, and the documents.
The wheels are those of requirements/bundle.lock, for the Python that runs this: that of Debian 12 is 3.11.
"""

import gzip
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from supply import bundle, release
from supply.locks import LOCKS, ROOT
from supply.manual_page import manual_page
from supply.release import ReleaseError

NAME = "clearance-sync"

#: The program's folder, and its settings.
HOME = f"usr/lib/{NAME}"
SETTINGS = "etc/clearance/clearance.toml"

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

#: How Debian names a machine.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

#: Who builds the package, as Debian's own tools take it from the environment.
_BUILDER, _ADDRESS = os.environ.get("DEBFULLNAME", "Clearance Sync"), os.environ.get("DEBEMAIL", "clearance@localhost")
_MAINTAINER = f"{_BUILDER} <{_ADDRESS}>"

#: What lintian finds and is meant, with the reason.
_OVERRIDES = (
    ("embedded-library", "wheels come with the libraries that they were built with"),
    ("unstripped-binary-or-object", "wheels are not changed, so that their sums can be compared"),
    ("hardening-no-fortify-functions", "wheels are not changed"),
    ("package-contains-documentation-outside-usr-share-doc", "a wheel's metadata"),
    ("extra-license-file", "a wheel's metadata"),
    ("script-not-executable", "as wheels have it"),
    ("bogus-mail-host", "unless DEBEMAIL is set"),
    ("no-manual-page", "the environment's own python"),
)


def control(version: str, architecture: str, size: int, glibc: str) -> str:
    """Return the package's description."""
    major, minor = _PYTHON.split(".")
    return f"""Package: {NAME}
Version: {version}
Architecture: {architecture}
Maintainer: {_MAINTAINER}
Installed-Size: {size}
Depends: adduser | systemd, libc6 (>= {glibc}), libgcc-s1, libstdc++6, python3 (>= {_PYTHON}), python3 (<< {major}.{int(minor) + 1}), systemd | systemd-standalone-sysusers
Recommends: nginx | caddy, postgresql-client
Suggests: postgresql
Section: education
Priority: optional
Description: clearance of graduates before they receive their certificates
 Connectors read what each student still owes from the systems of a
 university's offices, on a schedule. A reconciler decides each step, and
 pages show students, clerks and deans the result and the reason.
 .
 The installation starts nothing. The next steps are in
 /usr/share/doc/{NAME}/deploy.md.
"""  # noqa: E501 - a field is one line


POSTINST = f"""#!/bin/sh
# Makes the users and folders. Nothing is started, and the tables are not upgraded: see deploy.md.
set -e
if [ "$1" = configure ]; then
  systemd-sysusers {NAME}.conf
  if command -v systemd-tmpfiles > /dev/null; then systemd-tmpfiles --create {NAME}.conf; fi
  # Later the program runs as users that cannot write here.
  /{HOME}/bin/python -m compileall -q /{HOME}/lib || true
  if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
fi
"""

PRERM = f"""#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl stop 'clearance-*.service' 'clearance-*.timer' clearance.target || true
fi
find /{HOME} -name __pycache__ -type d -exec rm -rf {{}} +
"""

POSTRM = """#!/bin/sh
# The data, the secrets and the users stay, also when the package is purged: they are proof.
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
"""

COPYRIGHT = f"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: {NAME}

Files: *
Copyright: 2026 the authors of Clearance Sync
License: Apache-2.0
 On Debian systems, the full text is in /usr/share/common-licenses/Apache-2.0.
 .
 The packages in /{HOME} have licences of their own: licences.md in this folder
 lists them, and each package's metadata has the text.
"""


def stage(folder: Path, wheel: Path, wheels: Path, version: str) -> None:
    """Lay out the package's files."""
    _environment(folder, wheel, wheels)
    _units(folder)
    doc = folder / "usr" / "share" / "doc" / NAME
    doc.mkdir(parents=True)
    shutil.copytree(ROOT / "docs", doc, dirs_exist_ok=True, ignore=shutil.ignore_patterns("site", "templates", "*.py"))
    (doc / "copyright").write_text(COPYRIGHT, encoding="utf-8")
    shutil.copy(ROOT / "CHANGELOG.md", doc)
    _gzip(doc / "changelog.gz", _changelog(version))
    _gzip(folder / "usr" / "share" / "man" / "man1" / "clearance.1.gz", manual_page(version))
    shared = folder / "usr" / "share" / NAME
    shutil.copytree(ROOT / "deploy", shared / "deploy", ignore=shutil.ignore_patterns("bundle", "systemd", "bin"))
    overrides = folder / "usr" / "share" / "lintian" / "overrides" / NAME
    overrides.parent.mkdir(parents=True)
    overrides.write_text("".join(f"# {why}\n{NAME}: {tag}\n" for tag, why in _OVERRIDES), encoding="ascii")


def _environment(folder: Path, wheel: Path, wheels: Path) -> None:
    """Lay out an environment as `venv` does, for the Python of the system."""
    home = folder / HOME
    packages = home / "lib" / f"python{_PYTHON}" / "site-packages"
    pip = (
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input", "install", "--no-index",
        "--no-compile", "--target",
    )  # fmt: skip
    release.run(*pip, packages, "--find-links", wheels, "--require-hashes", "-r", LOCKS["bundle"])
    # Into a folder of its own first: pip replaces what a second call finds in its target.
    release.run(*pip, folder / "own", "--no-deps", wheel)
    for each in (folder / "own").iterdir():
        if each.name != "bin":
            shutil.move(each, packages)
    shutil.rmtree(folder / "own")
    shutil.rmtree(packages / "bin", ignore_errors=True)
    (home / "bin").mkdir()
    (home / "bin" / "python").symlink_to(f"/usr/bin/python{_PYTHON}")
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {_PYTHON}\n", encoding="ascii"
    )
    command = folder / "usr" / "bin" / "clearance"
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(
        f"#!/{HOME}/bin/python\n# The command, in the environment of the package.\nimport sys\n\n"
        "from clearance.main import main\n\nsys.exit(main())\n",
        encoding="ascii",
    )
    command.chmod(0o755)


def _units(folder: Path) -> None:
    """Copy the units, the users and the folders, with the places of the package."""
    deploy = ROOT / "deploy"
    units = folder / "usr" / "lib" / "systemd" / "system"
    shutil.copytree(deploy / "systemd", units, ignore=shutil.ignore_patterns("*.conf"))
    for drop_in in (deploy / "systemd").glob("*.service.d/*.conf"):
        shutil.copy(drop_in, units / drop_in.parent.name)
    for kind in ("sysusers", "tmpfiles"):
        target = folder / "usr" / "lib" / f"{kind}.d" / f"{NAME}.conf"
        target.parent.mkdir(parents=True)
        shutil.copy(deploy / "systemd" / f"clearance.{kind}.conf", target)
    command = folder / "usr" / "bin" / "clearance-as"
    command.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(deploy / "bin" / "clearance-as", command)
    settings = folder / SETTINGS
    settings.parent.mkdir(parents=True)
    shutil.copy(deploy / "clearance.toml", settings)
    for file in (command, *(each for each in units.rglob("*") if each.is_file())):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("/opt/clearance/.venv/bin/clearance", "/usr/bin/clearance"), encoding="utf-8")


def _changelog(version: str) -> str:
    """Return the changelog in Debian's form; CHANGELOG.md has the changes."""
    at = release.run("git", "log", "-1", "--format=%cD").strip()
    return f"{NAME} ({version}) stable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {_MAINTAINER}  {at}\n"


def _gzip(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def describe(folder: Path, version: str, wheels: Path) -> str:
    """Write the package's control files; return the name of its architecture."""
    architecture = _ARCHITECTURES[platform.machine()]
    glibc = ".".join(map(str, bundle.oldest_glibc(each.name for each in wheels.iterdir())))
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file() and not each.is_symlink()) // 1024
    debian = folder / "DEBIAN"
    debian.mkdir()
    (debian / "control").write_text(control(version, architecture, size, glibc), encoding="utf-8")
    (debian / "conffiles").write_text(f"/{SETTINGS}\n", encoding="ascii")
    for name, text in (("postinst", POSTINST), ("prerm", PRERM), ("postrm", POSTRM)):
        (debian / name).write_text(text, encoding="ascii")
    for each in folder.rglob("*"):
        if not each.is_symlink():
            each.chmod(0o755 if each.is_dir() or _is_command(folder, each) else 0o644)
    return architecture


def _is_command(folder: Path, file: Path) -> bool:
    parts = file.relative_to(folder).parts
    return parts[:2] == ("usr", "bin") or (parts[0] == "DEBIAN" and parts[1] in ("postinst", "prerm", "postrm"))


def pack(folder: Path, to: Path) -> None:
    """Write the package with dpkg-deb. Raises ReleaseError."""
    environ = {**os.environ, "SOURCE_DATE_EPOCH": release.run("git", "log", "-1", "--format=%ct").strip()}
    done = subprocess.run(  # noqa: S603 - our own words and paths
        ["dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", str(folder), str(to)],  # noqa: S607 - from PATH
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"dpkg-deb ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def main() -> None:
    """Build the package. Raises ReleaseError."""
    if shutil.which("dpkg-deb") is None:
        raise ReleaseError("dpkg-deb is missing: build the package on Debian or Ubuntu")
    version: str = release.project()["project"]["version"]
    with tempfile.TemporaryDirectory(prefix="clearance-deb-") as made:
        wheels, folder = Path(made, "wheels"), Path(made, "package")
        sys.stdout.write(f"Downloading the wheels for {platform.machine()}, Python {_PYTHON} ...\n")
        sys.stdout.flush()
        bundle.download(wheels, platform.machine(), [_PYTHON])
        wheel = release.build(Path(made, "dist"))[1]
        folder.mkdir()
        stage(folder, wheel, wheels, version)
        architecture = describe(folder, version, wheels)
        release.FOLDER.mkdir(exist_ok=True)
        package = release.FOLDER / f"{NAME}_{version}_{architecture}.deb"
        pack(folder, package)
    sys.stdout.write(f"In {release.FOLDER}:\n{release.sha256(package)}  {package.name}\n")


if __name__ == "__main__":
    try:
        main()
    except ReleaseError as error:
        sys.exit(str(error))
