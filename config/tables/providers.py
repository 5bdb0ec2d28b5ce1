"""Sign-in providers of the institution: the tables `[auth.cas]`, `[auth.oidc]` and `[auth.ldap]`."""

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
from foundation.translation import tr


def is_loopback(url: str) -> bool:
    """Return whether an address is on this machine, so that no network is in between."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_web_url(url: str) -> str:
    if url == PLACEHOLDER:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(
            tr('"{url}" is not a web address: write one such as "https://cas.example.edu.cn/cas"', url=url)
        )
    if parts.scheme == "http" and not is_loopback(url):
        raise ValueError(tr("an attacker on the network could sign in as any user over http: write its https address"))
    return url.rstrip("/")


def _check_ldap_url(url: str) -> str:
    if url == PLACEHOLDER:
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("ldap", "ldaps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(tr('"{url}" is not a directory: write one such as "ldaps://ldap.example.edu.cn"', url=url))
    return url.rstrip("/")


def _check_filter(text: str) -> str:
    rest = text.replace("{account}", "")
    if rest == text or "{" in rest or "}" in rest or not (text.startswith("(") and text.endswith(")")):
        raise ValueError(tr('"{text}" is not a filter: write one such as "(uid={{account}})"', text=text))
    return text


def _check_domain(text: str) -> str:
    if text and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", text, re.ASCII | re.IGNORECASE):
        raise ValueError(
            tr('"{text}" is not a domain: write what follows the @, such as "stu.example.edu.cn"', text=text)
        )
    return text.lower()


#: The domain after the @, which is removed from every name; empty to keep names whole.
Domain = Annotated[str, AfterValidator(_check_domain)]


class Cas(BaseModel):
    """A CAS server, protocol 3.0."""

    model_config = STRICT

    #: The text on the button.
    title: str = "统一身份认证"
    #: The text on the button, in English.
    title_en: str = "University sign-in"
    #: The server's address, before `/login` and `/logout`; https, except on this machine.
    url: Annotated[Text, AfterValidator(_check_web_url)]
    #: Where tickets are validated, below `url`.
    validation: Annotated[str, Field(pattern=r"^/[\w./-]+$")] = "/p3/serviceValidate"
    #: The attribute with the account's name or the student number, instead of the user's name.
    attribute: str = ""
    #: The domain to remove from each name, such as `stu.example.edu`; names of another are refused.
    strip_domain: Domain = ""
    #: Addresses of proxies that tickets can come through; by default none.
    proxies: tuple[str, ...] = ()
    #: The attribute with the second factor that the server itself has asked for.
    second_factor_attribute: str = "authnContextClass"
    #: Its values that count as a second factor, such as `["mfa-gauth", "mfa-webauthn"]`; see
    #: [signing-in.md](signing-in.md#a-second-factor-of-the-providers-own).
    second_factor_values: list[Annotated[str, Field(min_length=1)]] = []
    #: Certificates to trust. By default the system's.
    ca_file: FilePath | None = None


#: Algorithms for signing an ID token with a key that only the provider has.
Algorithm: TypeAlias = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"
]
ALGORITHMS: tuple[str, ...] = get_args(Algorithm)


class Oidc(BaseModel):
    """An OpenID provider."""

    model_config = STRICT

    #: The text on the button.
    title: str = "统一登录"
    #: The text on the button, in English.
    title_en: str = "Single sign-on"
    #: The provider's address, without `/.well-known/…`; https, except on this machine.
    issuer: Annotated[Text, AfterValidator(_check_web_url)]
    #: The name of this program, as registered at the provider.
    client_id: Text
    #: The secret of this program, as registered at the provider, by `env:` or `file:`.
    client_secret: Secret
    #: The claim with the account's name or the student number; `a.b` for a nested one.
    claim: Annotated[str, Field(min_length=1)] = "preferred_username"
    #: The domain to remove from each name, such as `stu.example.edu`; names of another are refused.
    strip_domain: Domain = ""
    #: With `claim = "email"`: an address also counts where the provider does not report whether it was verified.
    email_without_verified: bool = False
    #: The largest difference between the provider's clock and ours.
    clock_skew: Span = timedelta(minutes=1)
    #: The scopes to request.
    scopes: list[Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$")]] = ["openid", "profile"]
    #: The allowed signatures of tokens.
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = ["RS256", "PS256", "ES256"]
    #: Methods in the ID token's `amr` (RFC 8176) that count as a second factor of the provider's own; `[]`: none.
    second_factor_amr: list[Annotated[str, Field(min_length=1)]] = ["mfa", "mca", "otp", "hwk", "sc"]
    #: Values of the ID token's `acr` that count as a second factor; see
    #: [signing-in.md](signing-in.md#a-second-factor-of-the-providers-own).
    second_factor_acr: list[Annotated[str, Field(min_length=1)]] = []
    #: Certificates to trust. By default the system's.
    ca_file: FilePath | None = None


class Ldap(BaseModel):
    """A directory that checks the passwords of the sign-in form."""

    model_config = STRICT

    #: The address of the directory: `ldaps://HOST`, or `ldap://HOST` with `start_tls`.
    url: Annotated[Text, AfterValidator(_check_ldap_url)]
    #: Encrypt the connection on the plain port.
    start_tls: bool = False
    #: Allow unencrypted passwords.
    plain: bool = False
    #: The entry under which the accounts are.
    base: Text
    #: The filter that finds a person.
    search: Annotated[str, AfterValidator(_check_filter)] = "(uid={account})"
    #: The user that searches. By default the search is anonymous.
    bind_dn: Text = ""
    #: The password of that user, by `env:` or `file:`.
    bind_password: Secret | None = None
    #: The attribute with the account's name or the student number.
    attribute: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]*$")] = "uid"
    #: The domain to remove from each name, such as `stu.example.edu`; names of another are refused.
    strip_domain: Domain = ""
    #: How long each step may take.
    timeout: Span = timedelta(seconds=5)
    #: Certificates to trust. By default the system's.
    ca_file: FilePath | None = None


PROVIDERS: dict[str, type[BaseModel]] = {"cas": Cas, "oidc": Oidc, "ldap": Ldap}


def providers_contradict(cas: Cas | None, oidc: Oidc | None, ldap: Ldap | None, public_url: str) -> Iterator[str]:
    """Find contradictions between the providers and the rest, each with the fix."""
    for name, provider in (("cas", cas), ("oidc", oidc)):
        if provider is not None and not public_url:
            yield tr("[portal] public_url: is missing, and [auth.{name}] sends users back to it: add it", name=name)
    if oidc is not None and not timedelta() <= oidc.clock_skew <= timedelta(minutes=10):
        yield tr("[auth.oidc] clock_skew: it is the time that an expired token is still accepted: write at most 10 min")
    if oidc is not None and "openid" not in oidc.scopes:
        yield tr('[auth.oidc] scopes: "openid" is missing: add it')
    if ldap is not None:
        yield from _directory_contradicts(ldap)


def _directory_contradicts(ldap: Ldap) -> Iterator[str]:
    if importlib.util.find_spec("ldap3") is None:
        yield tr('[auth.ldap]: ldap3 is not installed: install the extra, pip install "clearance-sync[ldap]"')
    if ldap.url == PLACEHOLDER:
        return
    if ldap.url.startswith("ldaps:") and ldap.start_tls:
        yield tr("[auth.ldap] start_tls: ldaps is already encrypted: remove it")
    elif ldap.url.startswith("ldap:") and not (ldap.start_tls or ldap.plain or is_loopback(ldap.url)):
        yield (
            tr(
                "[auth.ldap] url: passwords would be sent unencrypted: write ldaps://…, set start_tls = true, "
                "or set plain = true if the network is secure"
            )
        )
    if bool(ldap.bind_dn) != (ldap.bind_password is not None):
        yield tr("[auth.ldap] bind_dn: it requires bind_password, and the reverse: set both, or neither")
    if not timedelta(seconds=1) <= ldap.timeout <= timedelta(minutes=1):
        yield tr("[auth.ldap] timeout: users wait for it: write one from 1 s to 1 min")
