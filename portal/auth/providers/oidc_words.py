"""What went wrong with an OpenID provider, in words that name the cause and what may help; without any secret."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from config.tables.providers import ALGORITHMS
from portal.auth.refusals import printable


def why_no_code(said: Mapping[str, str]) -> str:
    """Say why somebody came back without a code, in the provider's own words, and what helps."""
    error = said.get("error", "")
    if not error:
        return (
            "somebody came back from the provider with neither a code nor an error. Look into the provider's own log."
        )
    words = printable(said.get("error_description", ""), 200)
    advice = {
        "access_denied": "The person broke off there, or may not use this client.",
        "invalid_scope": "Take the scope that it does not know out of scopes in [auth.oidc].",
        "unauthorized_client": "Have the provider allow this client the authorization code flow.",
        "unsupported_response_type": "Have the provider allow this client the authorization code flow.",
        "login_required": "Sign in again.",
        "invalid_request": "Compare the redirect address that is registered there: public_url and /sign-in/oidc/back.",
    }.get(error, "Look into the provider's own log.")
    return f"the provider said no: {printable(error, 60)!r}{f' ({words})' if words else ''}. {advice}"


def why_no_token(said: Mapping[str, Any], address: str) -> str:
    """Say why a code was not changed for a token, and what helps."""
    error = said.get("error")
    if not isinstance(error, str):
        return (
            f'{address} gave no ID token for the code. See that "openid" is among scopes, and that the provider has '
            "this client down as one of OpenID Connect"
        )
    advice = {
        "invalid_client": "Compare client_id and client_secret in [auth.oidc] with what is registered there",
        "invalid_grant": "The code is good once and for a short time: sign in again; or the redirect address that is "
        "registered there is not public_url and /sign-in/oidc/back",
        "unauthorized_client": "Have the provider allow this client the authorization code flow",
    }.get(error, "Look into the provider's own log")
    return f"{address} gave no token for the code, but the error {printable(error, 60)!r}. {advice}"


def another_issuer(itself: object, ours: str) -> str:
    """Say that the provider calls itself otherwise than the settings do, and what helps."""
    if not isinstance(itself, str):
        return f"what {ours} says of itself names no issuer. Compare issuer in [auth.oidc] with the provider's own"
    shown = printable(itself, 200)
    start = f'the provider calls itself "{shown}", and [auth.oidc] issuer says "{ours}". '
    if "{tenantid}" in itself:
        return start + "Write the address of your own tenant, with its id in place of common or organizations"
    if itself.startswith("http://") and ours.startswith("https://"):
        return start + "Behind a proxy, give the provider its own https address (host name, X-Forwarded-Proto)"
    return start + "If that is your provider, write its own address as issuer"


def described(value: object) -> str:
    """Name the kind of a claim that is not text, without its value."""
    match value:
        case list():
            return f"a list of {len(value)}"
        case bool():
            return "yes or no"
        case dict():
            return f"an object: add one of {', '.join(repr(str(name)) for name in list(value)[:5])} after it with a dot"
        case str():
            return "an empty one"
        case _:
            return "a number with a fraction"


def described_party(value: object) -> str:
    """Return a party, an address or several of them as a message shows them."""
    if isinstance(value, list):
        return ", ".join(described_party(one) for one in value[:5]) or "nobody"
    return f'"{printable(value, 100)}"' if isinstance(value, str) else "missing" if value is None else "not text"


def why_not(claims: Mapping[str, Any], issuer: str, client: str, now: datetime, error: Exception) -> str:
    """Say which claim of a token is wrong, and what helps."""
    wrong = getattr(error, "claim", "") or kind(error)
    if wrong == "iss":
        return (
            f'its issuer is {described_party(claims.get("iss"))}, and the provider calls itself "{issuer}". Have the '
            "provider use one address for both, mostly its host name behind a proxy"
        )
    if wrong == "aud":
        return (
            f'its audience is {described_party(claims.get("aud"))}, and client_id in [auth.oidc] is "{client}". '
            "Compare the two"
        )
    said = claims.get(wrong) if wrong in ("exp", "nbf", "iat") else None
    if isinstance(said, int | float) and not isinstance(said, bool):
        off = round(said - now.timestamp())
        return (
            f"its {wrong} is {abs(off)} s {'ahead of' if off > 0 else 'behind'} this machine's clock "
            f"({now:%Y-%m-%d %H:%M:%S %Z}). Set both clocks by NTP; clock_skew in [auth.oidc] allows for what is left"
        )
    return f"{wrong} is missing, or of another kind than the standard has it. Look into the provider's own log"


def about_signature(token: str, allowed: Sequence[str]) -> str:
    """Say what a token is signed with, and what is allowed."""
    try:
        used = str(jws.extract_compact(token.encode()).headers().get("alg"))
    except (JoseError, ValueError):
        return "It is not a signed token. Look into the provider's own log"
    if used not in allowed and used in ALGORITHMS:
        return (
            f'It is signed with {used}, and algorithms in [auth.oidc] allows {", ".join(allowed)}. Add "{used}" there'
        )
    if used not in allowed:
        return (
            f"It is signed with {printable(used, 20)}, and algorithms in [auth.oidc] allows {', '.join(allowed)}. Have "
            "the provider sign with one of these, by a key of its own and never by the client's secret"
        )
    return "No key of the provider's fits: it may have changed them a moment ago, so sign in again in a minute"


def kind(error: Exception) -> str:
    """Return what kind of error it is; its text may repeat the token."""
    return type(error).__name__


def spellings(issuer: str) -> list[str]:
    """Return an issuer without and with a / at its end: some providers write it differently in two places."""
    bare = issuer.rstrip("/")
    return [bare, f"{bare}/"]
