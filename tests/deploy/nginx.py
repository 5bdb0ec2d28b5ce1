"""A real nginx with one of our sites."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.patience import PATIENCE, until
from tests.services.university import ROOT

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"

needs_nginx = pytest.mark.skipif(not Path(NGINX).exists(), reason="there is no nginx: apt-get install nginx")

_MAIN = """
daemon off;
pid {folder}/nginx.pid;
events {{ }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    access_log off;
    {site}
}}
"""


def site_with(folder: Path, site: str) -> Path:
    """Write a whole configuration with a site of deploy/, and its snippet; return the file."""
    (folder / "snippets").mkdir()
    shutil.copy(ROOT / "deploy" / "nginx" / "clearance-proxy.conf", folder / "snippets")
    file = folder / "nginx.conf"
    file.write_text(_MAIN.format(folder=folder, site=site), encoding="utf-8")
    return file


def certificate(folder: Path) -> None:
    """Write a certificate of the test's own, and its key."""
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ),
            *("-subj", "/CN=localhost", "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"),
        ],
        check=True,
        capture_output=True,
    )


@contextmanager
def running(folder: Path, site: str, port: int) -> Iterator[None]:
    """Run nginx with this site, which listens on a port, until the end."""
    file = site_with(folder, site)
    # Its temporary folders are its user's: the tests' own.
    text = file.read_text(encoding="utf-8")
    file.write_text(f"user root;\n{text}" if os.geteuid() == 0 else text, encoding="utf-8")
    process = subprocess.Popen([NGINX, "-p", folder, "-c", file, "-e", folder / "error.log"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "error.log").read_text(encoding="utf-8")
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
