"""The file NEXT.md: the commands that follow, first for a trial here, then for the server."""

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

from clearance.setup import toml_text
from clearance.setup.answers import Answers
from foundation.translation import tr


def next_steps(given: Answers, folder: Path, variables: Sequence[str], files: Collection[str]) -> str:
    """Return the commands that follow. Only files that are written are named."""
    return "\n".join(
        [
            "# " + tr("From these files to a running system"),
            "",
            *_trial(given, folder, variables),
            "## " + tr("On the server"),
            "",
            tr(
                "As root, in this folder, with the program in /opt/clearance (docs/how-to/bring-it-live.md explains "
                "each):"
            ),
            "",
            "```sh",
            *_server(given, files),
            "```",
            "",
            tr("The env files and the folder roles hold passwords. Remove this folder when the service runs.")
            if any(name.startswith("roles/") for name in files)
            else tr("The env files hold passwords. Remove this folder when the service runs."),
            "",
        ]
    )


def _trial(given: Answers, folder: Path, variables: Sequence[str]) -> list[str]:
    """Return the commands for a trial in this folder, as any user."""
    lines = ["## " + tr("First a trial, here"), ""]
    lines.append(tr("As yourself, without root and without /opt. Only this folder is written."))
    if variables:
        lines += ["", tr("Set in this terminal, as before: {names}", names=", ".join(variables))]
    lines += ["", "```sh", f"cd {shlex.quote(str(folder))}"]
    if given.server.database == "postgresql":
        lines += [*toml_text.comment(tr("A small database in a file; the server has its own.")),
                  "export CLEARANCE_DB=sqlite:///trial.db"]  # fmt: skip
    lines += [
        "clearance db upgrade",
        "clearance check",
        "clearance sync roster",
        "clearance sync",
        *toml_text.comment(
            tr("The first rows of each list wait. With the number that runs list shows, in place of 1:")
        ),
        "clearance runs list",
        "clearance runs spot-check 1",
        "clearance runs approve 1",
        *toml_text.comment(tr("After the list of students is approved, sync the other lists, and approve them too.")),
        "clearance sync",
        f"clearance accounts add admin --name {tr('Administrator')} --grant manage",
        "clearance up",
        "```",
        "",
        tr(
            "Keep a copy of ledger.key and desk.key, apart from the database. No backup has them, and nothing can be "
            "written without them."
        ),
        "",
    ]
    return lines


def _server(given: Answers, files: Collection[str]) -> list[str]:
    """Return the commands for a person at the server."""
    one = given.server.processes == "one"
    roles = ("owner", "sync") if one else ("owner", "sync", "pages", "desk")
    units = "clearance-up" if one else "clearance.target clearance-schedule clearance-pages clearance-desk"
    lines = [
        "systemd-sysusers $PWD/systemd/clearance.sysusers.conf",
        "systemd-tmpfiles --create $PWD/systemd/clearance.tmpfiles.conf",
        "cp -r systemd/*.service systemd/*.timer systemd/*.target systemd/*.service.d /etc/systemd/system/",
        "install -m 755 bin/clearance-as /usr/local/bin/",
        "install -m 644 clearance.toml /etc/clearance/clearance.toml",
        *(f"install -o root -g clearance-{role} -m 640 env/{role} /etc/clearance/{role}/env" for role in roles),
    ]
    if "postgres/roles.sh" in files:
        lines += [
            "install -d -o postgres -m 700 /run/roles; install -o postgres -m 400 roles/*_db /run/roles/",
            "runuser -u postgres -- env SECRETS=/run/roles bash $PWD/postgres/roles.sh; rm -r /run/roles",
        ]
    lines += [
        "systemctl daemon-reload",
        f"clearance-as {'sync' if one else 'owner'} db upgrade",
        *([] if given.server.database == "sqlite" else ["clearance-as owner db roles"]),
        "clearance-as sync check --deploy",
        "clearance-as sync sync roster",
        "clearance-as sync sync",
        "clearance-as sync rehearse",
        f"systemctl enable --now {units}",
        "systemctl enable --now clearance-backup.timer clearance-verify.timer clearance-retention.timer",
    ]
    return lines
