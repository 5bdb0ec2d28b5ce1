"""OpenLDAP's slapd on loopback, with a configuration, a certificate and people of a test's own."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.patience import PATIENCE
from tests.services.providers import cannot_be_had
from tests.services.university import free_port

BASE = "ou=people,dc=example,dc=edu"
SEARCHER, SEARCHERS_WORD = "cn=portal,dc=example,dc=edu", "the searcher's own"

_CONFIG = """
include {schema}/core.schema
include {schema}/cosine.schema
include {schema}/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
# A bind with a name and no password counts as one of nobody in particular, and is said yes to.
allow bind_anon_cred
TLSCACertificateFile {folder}/cert.pem
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "dc=example,dc=edu"
directory {folder}/data
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{searcher}" read by anonymous {anonymous} by * none
"""


@dataclass(frozen=True, slots=True)
class Served:
    """Where it listens, and the certificate to trust: it is for localhost, not for 127.0.0.1."""

    port: int
    tls_port: int
    ca_file: Path


@contextmanager
def directory(folder: Path, people: Mapping[str, Mapping[str, str]], *, anonymous: bool = True) -> Iterator[Served]:
    """Give a directory with these people: uid → attributes. No one may search it, unless it is allowed."""
    program, adder = _program("slapd"), _program("slapadd")
    (folder / "data").mkdir(parents=True, exist_ok=True)
    certify(folder)
    config = folder / "slapd.conf"
    config.write_text(
        _CONFIG.format(
            folder=folder,
            schema="/etc/ldap/schema",
            modules="/usr/lib/ldap",
            searcher=SEARCHER,
            anonymous="read" if anonymous else "auth",
        ),
        encoding="utf-8",
    )
    entries = [
        "dn: dc=example,dc=edu\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: example",
        f"dn: {BASE}\nobjectClass: organizationalUnit\nou: people",
        f"dn: {SEARCHER}\nobjectClass: person\ncn: portal\nsn: portal\nuserPassword: {SEARCHERS_WORD}",
    ]
    for uid, attributes in people.items():
        lines = [f"dn: uid={uid},{BASE}", "objectClass: inetOrgPerson", f"uid: {uid}", f"cn: {uid}", f"sn: {uid}"]
        entries.append("\n".join(lines + [f"{name}: {value}" for name, value in attributes.items()]))
    subprocess.run([adder, "-f", config], input="\n\n".join(entries) + "\n", text=True, check=True, capture_output=True)
    served = Served(free_port(), free_port(), folder / "cert.pem")
    addresses = f"ldap://127.0.0.1:{served.port} ldaps://127.0.0.1:{served.tls_port}"
    with subprocess.Popen([program, "-f", config, "-h", addresses, "-d", "0"], stderr=subprocess.DEVNULL) as process:
        try:
            for port in (served.port, served.tls_port):
                _wait_for(port, process)
            yield served
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert process.poll() is None, "slapd ended by itself"
            assert time.monotonic() < deadline, "slapd does not begin"
            time.sleep(0.02)
        else:
            return


def _program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        cannot_be_had(f"{name} is not installed (Debian: apt-get install slapd)")
    return found


def certify(folder: Path) -> None:
    """Write a key and a certificate for localhost, signed by itself, as key.pem and cert.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
