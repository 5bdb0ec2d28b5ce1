"""The tables of providers: what is wrong with them is reported with its fix, before anybody signs in."""

from pathlib import Path

import pytest

from config.load import SettingsError, load
from config.settings import Settings
from connectors import memory
from tests.world import SETTINGS

CAS = '[auth.cas]\nurl = "https://cas.example.edu/cas/"\n'
OIDC = '[auth.oidc]\nissuer = "https://id.example.edu"\nclient_id = "c"\nclient_secret = "env:SECRET"\n'
LDAP = '[auth.ldap]\nurl = "ldaps://ldap.example.edu"\nbase = "dc=example"\n'
PORTAL = '[portal]\npublic_url = "https://leave.example.edu"\n'


def loaded(folder: Path, text: str) -> Settings:
    """Return the settings with these tables added."""
    file = folder / "clearance.toml"
    file.write_text(f"{SETTINGS}\n{text}", encoding="utf-8")
    return load(file, {"memory": memory.Settings}.get, {"STATUS_URL": "sqlite:///x.db", "SECRET": "between us"})


def test_all_ways_stand_beside_each_other(tmp_path: Path) -> None:
    auth = loaded(tmp_path, PORTAL + CAS + OIDC + LDAP).auth
    assert auth.cas is not None
    assert auth.cas.url == "https://cas.example.edu/cas"
    assert auth.oidc is not None
    assert "between us" not in repr(auth)
    assert auth.ldap is not None
    assert auth.takes_passwords
    assert loaded(tmp_path, PORTAL + CAS + "[auth]\nlocal = false\n").auth.takes_passwords is False


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CAS, "[portal] public_url: is missing, and [auth.cas] sends users back to it: add it"),
        (OIDC, "[portal] public_url: is missing, and [auth.oidc] sends users back to it: add it"),
        (CAS + PORTAL.replace("edu", "edu/leave"), "is not an address without a path, and [auth.cas] needs one: write"),
        (PORTAL + CAS.replace("https", "http"), "[auth.cas] url: an attacker on the network could sign in as any user"),
        (PORTAL + CAS.replace("https://", ""), "[auth.cas] url:"),
        (PORTAL + CAS + 'colour = "red"', "[auth.cas] colour: unknown key: write one of title"),
        (
            PORTAL + OIDC.replace("env:SECRET", "between us"),
            "[auth.oidc] client_secret: a secret must not be in the settings file",
        ),
        (
            PORTAL + CAS + 'strip_domain = "@stu.example.edu"',
            '"@stu.example.edu" is not a domain: write what follows',
        ),
        (PORTAL + OIDC + 'clock_skew = "11 min"', "[auth.oidc] clock_skew: it is the time that an expired token"),
        (PORTAL + OIDC + 'algorithms = ["none"]', "[auth.oidc] algorithms.0:"),
        (PORTAL + OIDC + 'algorithms = ["HS256"]', "[auth.oidc] algorithms.0:"),
        (PORTAL + OIDC + "algorithms = []", "[auth.oidc] algorithms:"),
        (PORTAL + OIDC + 'scopes = ["profile"]', '[auth.oidc] scopes: "openid" is missing: add it'),
        (LDAP.replace("ldaps", "ldap"), "[auth.ldap] url: passwords would be sent unencrypted"),
        (LDAP + "start_tls = true", "[auth.ldap] start_tls: ldaps is already encrypted: remove it"),
        (LDAP + 'search = "uid={account}"', "[auth.ldap] search:"),
        (LDAP + 'search = "(uid={name})"', "[auth.ldap] search:"),
        (LDAP + 'bind_dn = "cn=portal"', "[auth.ldap] bind_dn: it requires bind_password"),
        (LDAP + 'timeout = "5 min"', "[auth.ldap] timeout: users wait for it"),
        ('[auth.ldap]\nurl = "ldaps://ldap.example.edu"\n', "[auth.ldap] base: is missing: add it"),
    ],
)
def test_what_is_wrong_is_reported_with_the_fix(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        loaded(tmp_path, text)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        LDAP.replace("ldaps", "ldap") + "start_tls = true",
        LDAP.replace("ldaps", "ldap") + "plain = true",
        LDAP.replace("ldaps://ldap.example.edu", "ldap://127.0.0.1:389"),
        PORTAL + CAS.replace("https://cas.example.edu", "http://localhost:8080"),
    ],
)
def test_what_is_safe_or_meant_so_is_taken(tmp_path: Path, text: str) -> None:
    loaded(tmp_path, text)
