"""Providers of the institution: who signs in there is let in here. `[auth.cas]`, `[auth.oidc]` and `[auth.ldap]`."""

import importlib.util
import ipaddress
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field

from config.tables.base import STRICT, Span
from config.tables.secrets import PLACEHOLDER, FilePath, Secret, Text


def is_loopback(url: str) -> bool:
    """Say whether an address is on this very machine, where nobody in between can listen."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _https(url: str) -> str:
    if url == PLACEHOLDER:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f'"{url}" is no such address: write one such as "https://cas.example.edu.cn/cas"')
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError("whoever sits in between could sign in as anybody: write its https address")
    return url.rstrip("/")


def _ldap(url: str) -> str:
    if url == PLACEHOLDER:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f'"{url}" is no directory: write one such as "ldaps://ldap.example.edu.cn"')
    return url.rstrip("/")


def _search(text: str) -> str:
    rest = text.replace("{account}", "")
    if rest == text or "{" in rest or "}" in rest or not (text.startswith("(") and text.endswith(")")):
        raise ValueError(f'"{text}" is no filter: write one such as "(uid={{account}})"')
    return text


def _domain(text: str) -> str:
    if text and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", text, re.ASCII | re.IGNORECASE):
        raise ValueError(f'"{text}" is not a domain: write what follows the @, such as "stu.example.edu.cn"')
    return text.lower()


#: What follows the @ of every name and is not part of the name here; empty to keep names whole.
Domain = Annotated[str, AfterValidator(_domain)]


class Cas(BaseModel):
    """A CAS server, protocol 3.0."""

    model_config = STRICT

    title: str = "统一身份认证"
    title_en: str = "University sign-in"
    #: What stands before /login and /logout.
    url: Annotated[Text, AfterValidator(_https)]
    #: Where tickets are validated, below `url`.
    validation: Annotated[str, Field(pattern=r"^/[\w./-]+$")] = "/p3/serviceValidate"
    #: The attribute that holds the sign-in name here, or the student number; the user's own name when empty.
    attribute: str = ""
    strip_domain: Domain = ""
    #: The addresses of the proxies through which a ticket may have come; none may when empty.
    proxies: tuple[str, ...] = ()
    #: The attribute that says which second factor the server itself has asked for, and the values that count as one.
    second_factor_attribute: str = "authnContextClass"
    second_factor_values: list[Annotated[str, Field(min_length=1)]] = []
    #: Certificates to trust in place of the system's.
    ca_file: FilePath | None = None


#: What an ID token may be signed with, by a key that the provider alone holds.
Algorithm: TypeAlias = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"
]
ALGORITHMS: tuple[str, ...] = get_args(Algorithm)


class Oidc(BaseModel):
    """An OpenID provider."""

    model_config = STRICT

    title: str = "统一登录"
    title_en: str = "Single sign-on"
    issuer: Annotated[Text, AfterValidator(_https)]
    client_id: Text
    client_secret: Secret
    #: The claim that holds the sign-in name here, or the student number.
    claim: Annotated[str, Field(min_length=1)] = "preferred_username"
    strip_domain: Domain = ""
    #: The provider itself gives out every e-mail address, so that `email` counts where it says nothing of verifying.
    email_without_verified: bool = False
    #: So far may the provider's clock and ours differ.
    clock_skew: Span = timedelta(minutes=1)
    scopes: list[Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")]] = ["openid", "profile"]
    #: What an ID token may be signed with; never a secret that both sides hold, and never nothing.
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = ["RS256", "PS256", "ES256"]
    #: What an ID token says where the provider itself has asked for a second factor: methods in `amr` (RFC 8176), or
    #: a level in `acr`.
    second_factor_amr: list[Annotated[str, Field(min_length=1)]] = ["mfa", "mca", "otp", "hwk", "sc"]
    second_factor_acr: list[Annotated[str, Field(min_length=1)]] = []
    ca_file: FilePath | None = None


class Ldap(BaseModel):
    """A directory, asked behind the form for a password."""

    model_config = STRICT

    url: Annotated[Text, AfterValidator(_ldap)]
    #: Ask for encryption on the plain port.
    start_tls: bool = False
    #: Passwords may pass unencrypted.
    plain: bool = False
    #: Where people are, and how one is found.
    base: Text
    search: Annotated[str, AfterValidator(_search)] = "(uid={account})"
    #: Who searches; nobody in particular when left out.
    bind_dn: Text = ""
    bind_password: Secret | None = None
    #: The attribute that holds the sign-in name here, or the student number.
    attribute: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] = "uid"
    strip_domain: Domain = ""
    timeout: Span = timedelta(seconds=5)
    ca_file: FilePath | None = None


PROVIDERS: dict[str, type[BaseModel]] = {"cas": Cas, "oidc": Oidc, "ldap": Ldap}


def providers_contradict(cas: Cas | None, oidc: Oidc | None, ldap: Ldap | None, public_url: str) -> Iterator[str]:
    """Find what is wrong between the providers and the rest, each with its way out."""
    public = urlsplit(public_url)
    for name, provider in (("cas", cas), ("oidc", oidc)):
        if provider is None:
            continue
        if not public_url:
            yield f"[portal] public_url: is missing, and [auth.{name}] sends people back to it: add it"
        elif public.scheme not in ("http", "https") or not public.hostname or public.path.strip("/"):
            yield (
                f'[portal] public_url: "{public_url}" is no address without a path, and [auth.{name}] needs one: write '
                'one such as "https://clearance.example.edu.cn"'
            )
    if oidc is not None and not timedelta() <= oidc.clock_skew <= timedelta(minutes=10):
        yield "[auth.oidc] clock_skew: an old token would open for as long: write one up to 10 min"
    if oidc is not None and "openid" not in oidc.scopes:
        yield '[auth.oidc] scopes: "openid" is missing: add it'
    if ldap is not None:
        yield from _directory_contradicts(ldap)


def _directory_contradicts(ldap: Ldap) -> Iterator[str]:
    if importlib.util.find_spec("ldap3") is None:
        yield '[auth.ldap]: ldap3 is not installed: install the extra, pip install "clearance-sync[ldap]"'
    if ldap.url == PLACEHOLDER:
        return
    if ldap.url.startswith("ldaps:") and ldap.start_tls:
        yield "[auth.ldap] start_tls: ldaps is encrypted from the start: take it out"
    elif ldap.url.startswith("ldap:") and not (ldap.start_tls or ldap.plain or is_loopback(ldap.url)):
        yield (
            "[auth.ldap] url: passwords would pass unencrypted: write ldaps://…, set start_tls = true, "
            "or say plain = true where the way there is safe by itself"
        )
    if bool(ldap.bind_dn) != (ldap.bind_password is not None):
        yield "[auth.ldap] bind_dn: goes with bind_password: give both, or neither"
    if not timedelta(seconds=1) <= ldap.timeout <= timedelta(minutes=1):
        yield "[auth.ldap] timeout: people wait for it: write one from 1 s to 1 min"
