"""Error messages about an OpenID provider: each has the cause and the fix, and none has a secret."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from config.tables.providers import ALGORITHMS
from portal.auth.refusals import printable


def why_no_code(answer: Mapping[str, str]) -> str:
    """Return a message about an answer without a code: the provider's own error, and the fix."""
    error = answer.get("error", "")
    if not error:
        return "the provider sent a browser back with neither a code nor an error. Check the provider's own log."
    words = printable(answer.get("error_description", ""), 200)
    advice = {
        "access_denied": "The person cancelled there, or is not allowed to use this client.",
        "invalid_scope": "Remove the scope that the provider does not know from scopes in [auth.oidc].",
        "unauthorized_client": "Have the provider allow this client the authorization code flow.",
        "unsupported_response_type": "Have the provider allow this client the authorization code flow.",
        "login_required": "Sign in again.",
        "invalid_request": "Check the redirect address that is registered there: public_url and /sign-in/oidc/back.",
    }.get(error, "Check the provider's own log.")
    return f"the provider refused: {printable(error, 60)!r}{f' ({words})' if words else ''}. {advice}"


def why_no_token(answer: Mapping[str, Any], address: str) -> str:
    """Return a message about a code that was not exchanged for a token, with the fix."""
    error = answer.get("error")
    if not isinstance(error, str):
        return (
            f'{address} returned no ID token for the code. Check that "openid" is in scopes, and that the provider has '
            "registered this client for OpenID Connect"
        )
    advice = {
        "invalid_client": "Compare client_id and client_secret in [auth.oidc] with what is registered there",
        "invalid_grant": "A code is valid once and for a short time: sign in again. If the error persists, register "
        "public_url and /sign-in/oidc/back there as redirect address",
        "unauthorized_client": "Have the provider allow this client the authorization code flow",
    }.get(error, "Check the provider's own log")
    return f"{address} returned no token for the code, but the error {printable(error, 60)!r}. {advice}"


def another_issuer(itself: object, ours: str) -> str:
    """Return a message about an issuer that differs from the settings, with the fix."""
    if not isinstance(itself, str):
        return f"the description of {ours} has no issuer. Compare issuer in [auth.oidc] with the provider's own"
    shown = printable(itself, 200)
    start = f'the provider\'s issuer is "{shown}", but issuer in [auth.oidc] is "{ours}". '
    if "{tenantid}" in itself:
        return start + "Set it to the address of your own tenant, with its id in place of common or organizations"
    if itself.startswith("http://") and ours.startswith("https://"):
        return start + "Behind a proxy, set the provider's own https address (host name, X-Forwarded-Proto)"
    return start + "If that is your provider, set issuer to the provider's address"


def described(value: object) -> str:
    """Return the kind of a claim that is not a text, without its value."""
    match value:
        case list():
            return f"a list of {len(value)}"
        case bool():
            return "true or false"
        case dict():
            return f"an object: add one of {', '.join(repr(str(name)) for name in list(value)[:5])} after it with a dot"
        case str():
            return "an empty text"
        case _:
            return "a number with a fraction"


def described_party(value: object) -> str:
    """Return a party or an address, or several of them, for use in a message."""
    if isinstance(value, list):
        return ", ".join(described_party(one) for one in value[:5]) or "empty"
    return f'"{printable(value, 100)}"' if isinstance(value, str) else "missing" if value is None else "not text"


def why_not(claims: Mapping[str, Any], issuer: str, client: str, now: datetime, error: Exception) -> str:
    """Return a message that names the wrong claim of a token, with the fix."""
    wrong = getattr(error, "claim", "") or kind(error)
    if wrong == "iss":
        return (
            f'its issuer is {described_party(claims.get("iss"))}, but the provider\'s issuer is "{issuer}". Have the '
            "provider use one address for both, usually its host name behind a proxy"
        )
    if wrong == "aud":
        return (
            f'its audience is {described_party(claims.get("aud"))}, but client_id in [auth.oidc] is "{client}". '
            "Correct client_id"
        )
    seconds = claims.get(wrong) if wrong in ("exp", "nbf", "iat") else None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        off = round(seconds - now.timestamp())
        return (
            f"its {wrong} is {abs(off)} s {'ahead of' if off > 0 else 'behind'} this machine's clock "
            f"({now:%Y-%m-%d %H:%M:%S %Z}). Set both clocks by NTP; clock_skew in [auth.oidc] allows small differences"
        )
    return f"{wrong} is missing, or not of the standard's type. Check the provider's own log"


def about_signature(token: str, allowed: Sequence[str]) -> str:
    """Return a message with a token's signing algorithm and the allowed ones, and the fix."""
    try:
        used = str(jws.extract_compact(token.encode()).headers().get("alg"))
    except (JoseError, ValueError):
        return "It is not a signed token. Check the provider's own log"
    if used not in allowed and used in ALGORITHMS:
        return (
            f'It is signed with {used}, but algorithms in [auth.oidc] allows {", ".join(allowed)}. Add "{used}" there'
        )
    if used not in allowed:
        return (
            f"It is signed with {printable(used, 20)}, but algorithms in [auth.oidc] allows {', '.join(allowed)}. Have "
            "the provider sign with one of these, with a key of its own and never with the client's secret"
        )
    return "No key of the provider matches: its keys may have just changed. Sign in again in a minute"


def kind(error: Exception) -> str:
    """Return the type of an error. Its text is left out: it may repeat the token."""
    return type(error).__name__


def spellings(issuer: str) -> list[str]:
    """Return an issuer without and with a / at its end: some providers write it in both forms."""
    bare = issuer.rstrip("/")
    return [bare, f"{bare}/"]
