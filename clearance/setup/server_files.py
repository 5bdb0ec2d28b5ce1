"""What a server needs beside the settings: an env file for each role, units, the proxy's site, from `deploy/`."""

import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from clearance.setup.answers import AboutServer
from clearance.setup.proposal import SetupCode, SetupRefused
from foundation.translation import tr

#: Role → the database roles of its addresses: of the marks, and of accounts. As in docs/deploy.md.
_ROLES: Mapping[str, tuple[str, str]] = {
    "owner": ("owner", "owner"),
    "sync": ("sync", "sync"),
    "pages": ("portal", "students"),
    "desk": ("operator", "desk"),
}

#: What a value in an env file must not have: systemd and a shell would read it in different ways.
_NOT_PLAIN = re.compile(r"[\s\"'\\$`]|^$")


def deploy_folder() -> Path:
    """Return the folder `deploy`: of the checkout, else of the installed package. Raises SetupRefused."""
    for folder in (Path(__file__).resolve().parents[2] / "deploy", Path(sys.prefix) / "share/clearance/deploy"):
        if (folder / "systemd").is_dir():
            return folder
    raise SetupRefused(
        SetupCode.FOLDER, tr("The folder deploy is missing from this installation. Install the program again.")
    )


def server_files(server: AboutServer, offices: Mapping[str, str]) -> dict[str, str]:
    """Return the files of a server, by their path in the folder.

    `offices` has the variables of the offices' addresses: only the role that asks them gets them. Each call makes new
    passwords for the roles of the database.
    """
    deploy = deploy_folder()
    words = {role: secrets.token_hex(16) for pair in _ROLES.values() for role in pair}
    files = {f"env/{role}": _env(role, server, words, offices) for role in _ROLES}
    if server.processes == "one":
        files = {name: text for name, text in files.items() if name in ("env/owner", "env/sync")}
    if server.database == "postgresql":
        files |= {f"roles/{role}_db": _address(role, word) + "\n" for role, word in words.items()}
        files["postgres/roles.sh"] = (deploy / "postgres/roles.sh").read_text(encoding="utf-8")
    files["bin/clearance-as"] = (deploy / "bin/clearance-as").read_text(encoding="utf-8")
    return files | _units(deploy, server) | _site(deploy, server)


def _address(role: str, word: str) -> str:
    return f"postgresql+psycopg://clearance_{role}:{word}@127.0.0.1/clearance"


def _env(role: str, server: AboutServer, words: Mapping[str, str], offices: Mapping[str, str]) -> str:
    marks, desk = _ROLES[role]
    if server.processes == "one":
        # One process does what all three do.
        marks = desk = "owner"
    what = tr("What the role {role} is given: /etc/clearance/{role}/env, for its user and root only.", role=role)
    lines = [f"# {what}"]
    if server.database == "sqlite":
        lines += [f"CLEARANCE__STATUS_DB__URL=sqlite:////var/lib/clearance-{_FILE_OWNER}/clearance.db"]
    else:
        lines += [
            f"CLEARANCE__STATUS_DB__URL={_address(marks, words[marks])}",
            f"CLEARANCE__STATUS_DB__DESK_URL={_address(desk, words[desk])}",
        ]
    if role == "sync":
        lines += [f"{name}={_plain(name, value)}" for name, value in offices.items()]
    return "\n".join(lines) + "\n"


#: The user of `clearance up`.
_FILE_OWNER = "sync"


def _plain(name: str, value: str) -> str:
    if _NOT_PLAIN.search(value):
        raise SetupRefused(
            SetupCode.ANSWERS,
            tr(
                "{name} has a blank, a quotation mark or another character that an env file cannot hold. Encode it in "
                "the address (%20 for a blank), or write it to a file and use file:PATH.",
                name=name,
            ),
        )
    return value


def _units(deploy: Path, server: AboutServer) -> dict[str, str]:
    """Return the units, each with its role's env file in place of single secrets."""
    one = ("clearance-up.service", "clearance.target")
    three = ("clearance-schedule.service", "clearance-pages.service", "clearance-desk.service", "clearance.target")
    jobs = ("clearance-backup", "clearance-verify", "clearance-retention")
    kept = [*(one if server.processes == "one" else three), "clearance.sysusers.conf", "clearance.tmpfiles.conf"]
    kept += [f"{job}.{kind}" for job in jobs for kind in ("service", "timer")]
    systemd, files = deploy / "systemd", {}
    for name in kept:
        files[f"systemd/{name}"] = (systemd / name).read_text(encoding="utf-8")
        own = systemd / f"{name}.d" / "secrets.conf"
        if own.is_file():
            files[f"systemd/{name}.d/secrets.conf"] = _with_env_file(own.read_text(encoding="utf-8"))
    shared = "clearance-.service.d/hardening.conf"
    return files | {f"systemd/{shared}": (systemd / shared).read_text(encoding="utf-8")}


def _with_env_file(text: str) -> str:
    """Return a unit's own part with the env file of its role in place of the addresses."""
    role = re.search(r"/etc/clearance/(\w+)/db", text)
    kept = [
        line
        for line in text.splitlines()
        if not line.startswith(("LoadCredential=", "Environment=CLEARANCE__STATUS_DB__URL", "#"))
        and "DESK_URL" not in line
    ]
    own = f"EnvironmentFile=/etc/clearance/{role[1]}/env" if role else ""
    return "\n".join(line for part in kept for line in ((part, own) if part == "[Service]" else (part,)) if line) + "\n"


def _site(deploy: Path, server: AboutServer) -> dict[str, str]:
    """Return the site of the proxy, with the names and paths of these addresses."""
    if server.proxy == "none":
        return {}
    pages, desk = urlsplit(server.public_url), urlsplit(server.desk_public_url)
    on_paths = bool(pages.path.strip("/") and desk.path.strip("/"))
    if server.proxy == "nginx":
        name = "clearance-prefix.conf" if on_paths else "clearance.conf"
        names = {f"nginx/{name}": name, "nginx/clearance-proxy.conf": "clearance-proxy.conf"}
        texts = {to: (deploy / "nginx" / each).read_text(encoding="utf-8") for to, each in names.items()}
    else:
        name = "Caddyfile.prefix" if on_paths else "Caddyfile"
        texts = {"caddy/Caddyfile": (deploy / "caddy" / name).read_text(encoding="utf-8")}
    return {to: _with_names(text, pages, desk) for to, text in texts.items()}


def _with_names(text: str, pages: SplitResult, desk: SplitResult) -> str:
    names = {
        "clearance-staff.example.edu.cn": desk.netloc,
        "clearance.example.edu.cn": pages.netloc,
        "www.example.edu.cn": pages.netloc,
        "/leave-office": desk.path.rstrip("/"),
        "/leave": pages.path.rstrip("/"),
    }
    return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)
