"""The image and the compose file: each command, key, secret and volume that they name is there."""

import os
import re
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import URL, create_engine
from sqlalchemy import text as text_of
from sqlalchemy.pool import NullPool

from clearance.settings_file import load_settings
from config.processes import Process, missing
from tests.deploy.test_units import parsed
from tests.services.university import ROOT

FOLDER = ROOT / "deploy" / "container"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("clearance:")]

PROCESSES = {
    "owner": Process.SYNC,
    "schedule": Process.SCHEDULE,
    "pages": Process.PAGES,
    "desk": Process.DESK,
}


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_a_command_of_the_program(name: str) -> None:
    assert parsed([str(word) for word in SERVICES[name]["command"]])


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_given_all_that_it_needs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = SERVICES[name]
    for secret in service["secrets"]:
        (tmp_path / secret).write_text(f"postgresql+psycopg://{secret}:x@db/clearance")
    for key, value in service["environment"].items():
        monkeypatch.setenv(key, value.replace("/run/secrets", str(tmp_path)))
    settings = load_settings(ROOT / "deploy" / "clearance.toml")
    assert missing(settings, PROCESSES[name]) == []
    used = set(re.findall(r"/run/secrets/(\w+)", " ".join(service["environment"].values())))
    assert used == set(service["secrets"]), "what it is given is what it uses"
    assert ("ledger_key:/keys/ledger" in service["volumes"]) == (name in ("schedule", "desk"))


def test_each_secret_and_each_volume_is_declared_and_used() -> None:
    secrets = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert secrets == COMPOSE["secrets"].keys()
    mounts = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", ())}
    assert {mount for mount in mounts if "/" not in mount} == COMPOSE["volumes"].keys()
    for mount in mounts - COMPOSE["volumes"].keys() - {"./clearance.toml"}:
        assert (FOLDER / mount).is_file(), mount


def test_no_service_of_ours_can_write_its_image_or_gain_rights() -> None:
    for name in OURS:
        service = SERVICES[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "ports" not in service, "only the proxy is reachable from outside"


def test_the_image_copies_what_is_there_and_runs_as_no_root() -> None:
    text = (FOLDER / "Containerfile").read_text(encoding="utf-8")
    copied = [line.split()[1] for line in text.splitlines() if line.startswith("COPY ")]
    assert copied == ["requirements/run.lock", "dist/*.whl"]
    assert (ROOT / copied[0]).is_file()
    instructions = [line.split()[0] for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert instructions.index("USER") < instructions.index("ENTRYPOINT")
    assert "\nUSER 10001\n" in text
    assert "--require-hashes" in text
    assert ":latest" not in text


def test_the_roles_are_those_that_the_program_grants_rights() -> None:
    script = ROOT / "deploy" / "postgres" / "roles.sh"
    subprocess.run(["bash", "-n", script], check=True)
    (names,) = re.findall(r"^for name in (.+); do", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert {f"{name}_db" for name in names.split()} == COMPOSE["secrets"].keys() - {"postgres_password"}
    said = subprocess.run(
        ["bash", str(script)], env={"SECRETS": str(ROOT), "PATH": "/usr/bin:/bin"}, check=False, capture_output=True
    )
    assert said.returncode != 0, "without secrets it makes nothing"


def test_the_script_of_roles_can_run_again_with_other_passwords(postgres_server: URL, tmp_path: Path) -> None:
    mark = f"again{secrets.token_hex(4)}"
    text = (ROOT / "deploy" / "postgres" / "roles.sh").read_text(encoding="utf-8")
    script = tmp_path / "roles.sh"
    # The roles belong to the whole server, so these have names of their own.
    script.write_text(text.replace("clearance", mark), encoding="utf-8")
    names = ("owner", "sync", "portal", "students", "operator", "desk")
    where = postgres_server
    host = where.host or str(where.query.get("host", ""))
    environ = {
        "SECRETS": str(tmp_path), "PATH": os.environ["PATH"], "PGHOST": host,
        "PGPORT": str(where.port or 5432),
        "PGUSER": where.username or "", "PGPASSWORD": where.password or "",
    }  # fmt: skip
    server = create_engine(where, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        for password in ("first1", "second2"):
            for name in names:
                (tmp_path / f"{name}_db").write_text(f"postgresql+psycopg://{mark}_{name}:{password}@db/{mark}\n")
            subprocess.run(["bash", script], env=environ, check=True, capture_output=True, text=True)
            with server.connect() as connection:
                found = connection.execute(
                    text_of(
                        "SELECT count(*), count(*) FILTER (WHERE rolcanlogin) FROM pg_roles WHERE rolname LIKE :name"
                    ),
                    {"name": f"{mark}%"},
                ).one()
                owner = connection.execute(
                    text_of("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = :name"), {"name": mark}
                ).scalar()
            assert tuple(found) == (6, 6)
            assert owner == f"{mark}_owner"
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {mark}")
            for name in names:
                connection.exec_driver_sql(f"DROP ROLE IF EXISTS {mark}_{name}")
        server.dispose()
