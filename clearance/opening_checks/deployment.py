"""What `check --deploy` looks at on a server with systemd: users, env files, units, the synchronised clock."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from clearance.services import Program
from foundation.translation import tr

_ETC = Path("/etc/clearance")
_ROLES = ("owner", "sync", "pages", "desk")
_TIMERS = ("clearance-backup.timer", "clearance-verify.timer", "clearance-retention.timer")
_SERVICES = ("clearance-schedule", "clearance-pages", "clearance-desk")

#: Permissions of an env file that others than its owner and group have.
_OTHERS = 0o007


def warnings(program: Program, etc: Path = _ETC) -> Iterator[str]:
    """Yield what a server lacks, each with the fix."""
    if os.name == "posix" and os.geteuid() == 0:
        yield tr("this runs as root: the service never should. Run it as its role, such as: clearance-as sync check")
    portal = program.settings.portal
    if portal.public_url.startswith("http://"):
        yield tr("[portal] public_url is http: cookies and passwords travel unencrypted. Use https")
    if program.settings.is_demo:
        yield tr("these are the settings of the demo, whose accounts everybody knows. Use settings of your own")
    yield from _env_files(etc)
    if not (etc / "clearance.toml").is_file():
        yield tr("{file} is missing, and the units read it. Copy the settings there", file=etc / "clearance.toml")
    yield from _systemd()


def _env_files(etc: Path) -> Iterator[str]:
    for role in _ROLES:
        file = etc / role / "env"
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
        except OSError:
            # A server can have single secrets instead, or this role may not look.
            continue
        if mode & _OTHERS:
            yield tr("{file} can be read by every user (mode {mode:03o}). Run: chmod 640 {file}", file=file, mode=mode)


def _systemd() -> Iterator[str]:
    if shutil.which("systemctl") is None:
        yield tr("systemctl is not here: services and timers are not checked. See docs/deploy.md for containers")
        return
    if _answer(["timedatectl", "show", "--property=NTPSynchronized", "--value"]) == "no":
        yield tr("this machine's clock is not synchronised. Run: timedatectl set-ntp true")
    single = _answer(["systemctl", "is-enabled", "clearance-up.service"]) == "enabled"
    for unit in (*(() if single else _SERVICES), *_TIMERS):
        state = _answer(["systemctl", "is-enabled", unit])
        if state != "enabled":
            yield tr("{unit} does not start with the machine. Run: systemctl enable --now {unit}", unit=unit)


def _answer(command: Sequence[str]) -> str:
    """Return the first line that a program prints; empty where it cannot run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip().partition("\n")[0]
