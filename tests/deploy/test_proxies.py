"""The sites of the proxies, checked by the proxies themselves."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.nginx import NGINX, certificate, needs_nginx, site_with
from tests.services.university import ROOT

CADDY = shutil.which("caddy")


@needs_nginx
def test_nginx_accepts_the_site_with_host_names(tmp_path: Path) -> None:
    text = (ROOT / "deploy" / "nginx" / "clearance.conf").read_text(encoding="utf-8")
    certificate(tmp_path)
    text = text.replace("/etc/ssl/clearance", str(tmp_path)).replace("/var/log/nginx", str(tmp_path))
    file = site_with(tmp_path, text)
    ended = subprocess.run(
        [NGINX, "-t", "-p", tmp_path, "-c", file, "-e", tmp_path / "error.log"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "syntax is ok" in ended.stderr
    assert ended.returncode == 0, ended.stderr
    assert "warn" not in ended.stderr.replace('the "user" directive', ""), ended.stderr


@pytest.mark.skipif(CADDY is None, reason="there is no caddy: apt-get install caddy")
@pytest.mark.parametrize("name", ["caddy/Caddyfile", "caddy/Caddyfile.prefix", "container/Caddyfile"])
def test_caddy_accepts_its_file(name: str, tmp_path: Path) -> None:
    text = (ROOT / "deploy" / name).read_text(encoding="utf-8").replace("/var/log/caddy", str(tmp_path))
    file = tmp_path / "Caddyfile"
    file.write_text(text, encoding="utf-8")
    assert CADDY is not None
    ended = subprocess.run(
        [CADDY, "validate", "--config", file, "--adapter", "caddyfile"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(shutil.which("logrotate") is None, reason="there is no logrotate: apt-get install logrotate")
def test_logrotate_accepts_its_file(tmp_path: Path) -> None:
    file = tmp_path / "clearance"
    file.write_bytes((ROOT / "deploy" / "logrotate.conf").read_bytes())
    file.chmod(0o644)
    logrotate = shutil.which("logrotate")
    assert logrotate is not None
    ended = subprocess.run(
        [logrotate, "--debug", "--state", tmp_path / "state", file], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    assert "error" not in ended.stderr


def test_each_site_leads_to_the_ports_of_the_units() -> None:
    units = (ROOT / "deploy" / "systemd").glob("clearance-*.service")
    ports = {port for unit in units for port in re.findall(r"--port (\d+)", unit.read_text(encoding="utf-8"))}
    for name in ("nginx/clearance.conf", "nginx/clearance-prefix.conf", "caddy/Caddyfile", "caddy/Caddyfile.prefix"):
        text = (ROOT / "deploy" / name).read_text(encoding="utf-8")
        assert set(re.findall(r"127\.0\.0\.1:(\d+)", text)) == ports == {"8000", "8001"}, name
