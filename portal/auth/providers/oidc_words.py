"""Error messages about an OpenID provider: each has the cause and the fix, and none has a secret."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from config.tables.providers import ALGORITHMS
from foundation.translation import tr
from portal.auth.refusals import printable


def why_no_code(answer: Mapping[str, str]) -> str:
    """Return a message about an answer without a code: the provider's own error, and the fix."""
    error = answer.get("error", "")
    if not error:
        return tr("the provider sent a browser back with neither a code nor an error. Check the provider's own log.")
    words = printable(answer.get("error_description", ""), 200)
    advice = {
        "access_denied": tr("The person cancelled there, or is not allowed to use this client."),
        "invalid_scope": tr("Remove the scope that the provider does not know from scopes in [auth.oidc]."),
        "unauthorized_client": tr("Have the provider allow this client the authorization code flow."),
        "unsupported_response_type": tr("Have the provider allow this client the authorization code flow."),
        "login_required": tr("Sign in again."),
        "invalid_request": tr(
            "Check the redirect address that is registered there: public_url and /sign-in/oidc/back."
        ),
    }.get(error, tr("Check the provider's own log."))
    shown = printable(error, 60)
    if words:
        return tr("the provider refused: {error!r} ({words}). {advice}", error=shown, words=words, advice=advice)
    return tr("the provider refused: {error!r}. {advice}", error=shown, advice=advice)


def why_no_token(answer: Mapping[str, Any], address: str) -> str:
    """Return a message about a code that was not exchanged for a token, with the fix."""
    error = answer.get("error")
    if not isinstance(error, str):
        return tr(
            '{address} returned no ID token for the code. Check that "openid" is in scopes, and that the '
            "provider has registered this client for OpenID Connect",
            address=address,
        )
    advice = {
        "invalid_client": tr("Compare client_id and client_secret in [auth.oidc] with what is registered there"),
        "invalid_grant": tr(
            "A code is valid once and for a short time: sign in again. If the error persists, register "
            "public_url and /sign-in/oidc/back there as redirect address"
        ),
        "unauthorized_client": tr("Have the provider allow this client the authorization code flow"),
    }.get(error, tr("Check the provider's own log"))
    return tr(
        "{address} returned no token for the code, but the error {error!r}. {advice}",
        address=address,
        error=printable(error, 60),
        advice=advice,
    )


def another_issuer(itself: object, ours: str) -> str:
    """Return a message about an issuer that differs from the settings, with the fix."""
    if not isinstance(itself, str):
        return tr(
            "the description of {ours} has no issuer. Compare issuer in [auth.oidc] with the provider's own", ours=ours
        )
    shown = printable(itself, 200)
    if "{tenantid}" in itself:
        fix = tr("Set it to the address of your own tenant, with its id in place of common or organizations")
    elif itself.startswith("http://") and ours.startswith("https://"):
        fix = tr("Behind a proxy, set the provider's own https address (host name, X-Forwarded-Proto)")
    else:
        fix = tr("If that is your provider, set issuer to the provider's address")
    return tr(
        'the provider\'s issuer is "{shown}", but issuer in [auth.oidc] is "{ours}". {fix}',
        shown=shown,
        ours=ours,
        fix=fix,
    )


def described(value: object) -> str:
    """Return the kind of a claim that is not a text, without its value."""
    match value:
        case list():
            return tr("a list of {count}", count=len(value))
        case bool():
            return tr("true or false")
        case dict():
            return tr(
                "an object: add one of {names} after it with a dot",
                names=", ".join(repr(str(name)) for name in list(value)[:5]),
            )
        case str():
            return tr("an empty text")
        case _:
            return tr("a number with a fraction")


def described_party(value: object) -> str:
    """Return a party or an address, or several of them, for use in a message."""
    if isinstance(value, list):
        return ", ".join(described_party(one) for one in value[:5]) or tr("empty")
    return (
        f'"{printable(value, 100)}"' if isinstance(value, str) else tr("missing") if value is None else tr("not text")
    )


def why_not(claims: Mapping[str, Any], issuer: str, client: str, now: datetime, error: Exception) -> str:
    """Return a message that names the wrong claim of a token, with the fix."""
    wrong = getattr(error, "claim", "") or kind(error)
    if wrong == "iss":
        return tr(
            'its issuer is {own}, but the provider\'s issuer is "{issuer}". Have the provider use one '
            "address for both, usually its host name behind a proxy",
            own=described_party(claims.get("iss")),
            issuer=issuer,
        )
    if wrong == "aud":
        return tr(
            'its audience is {own}, but client_id in [auth.oidc] is "{client}". Correct client_id',
            own=described_party(claims.get("aud")),
            client=client,
        )
    seconds = claims.get(wrong) if wrong in ("exp", "nbf", "iat") else None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        off = round(seconds - now.timestamp())
        values = {"claim": wrong, "seconds": abs(off), "now": now}
        if off > 0:
            return tr(
                "its {claim} is {seconds} s ahead of this machine's clock ({now:%Y-%m-%d %H:%M:%S %Z}). Set both "
                "clocks by NTP; clock_skew in [auth.oidc] allows small differences",
                **values,
            )
        return tr(
            "its {claim} is {seconds} s behind this machine's clock ({now:%Y-%m-%d %H:%M:%S %Z}). Set both clocks by "
            "NTP; clock_skew in [auth.oidc] allows small differences",
            **values,
        )
    return tr("{wrong} is missing, or not of the standard's type. Check the provider's own log", wrong=wrong)


def about_signature(token: str, allowed: Sequence[str]) -> str:
    """Return a message with a token's signing algorithm and the allowed ones, and the fix."""
    try:
        used = str(jws.extract_compact(token.encode()).headers().get("alg"))
    except (JoseError, ValueError):
        return tr("It is not a signed token. Check the provider's own log")
    if used not in allowed and used in ALGORITHMS:
        return tr(
            'It is signed with {used}, but algorithms in [auth.oidc] allows {allowed}. Add "{used}" there',
            used=used,
            allowed=", ".join(allowed),
        )
    if used not in allowed:
        return tr(
            "It is signed with {used}, but algorithms in [auth.oidc] allows {allowed}. Have the provider "
            "sign with one of these, with a key of its own and never with the client's secret",
            used=printable(used, 20),
            allowed=", ".join(allowed),
        )
    return tr("No key of the provider matches: its keys may have just changed. Sign in again in a minute")


def kind(error: Exception) -> str:
    """Return the type of an error. Its text is left out: it may repeat the token."""
    return type(error).__name__


def spellings(issuer: str) -> list[str]:
    """Return an issuer without and with a / at its end: some providers write it in both forms."""
    bare = issuer.rstrip("/")
    return [bare, f"{bare}/"]


def other_person(address: str, *, named: bool) -> str:
    """Return that the user info is not about the person of the token, with the fix."""
    if named:
        return tr(
            "the user info of {address} is about another person (another sub). Check the provider's own log",
            address=address,
        )
    return tr(
        "the user info of {address} does not name its person (no sub). Check the provider's own log", address=address
    )


def no_claim(address: str, claim: str, there: str, person: str) -> str:
    """Return that an answer has no such claim, with the claims it has and the fix."""
    return tr(
        '{address} sent no claim "{claim}" (it sent: {there}) about {person}. Have it release that claim to this '
        "client, add its scope to scopes, or set claim in [auth.oidc] to the exact name of another one",
        address=address,
        claim=claim,
        there=there,
        person=person,
    )


def not_one_text(address: str, claim: str, kind_of_value: str, person: str) -> str:
    """Return that a claim is not a single text, with the fix."""
    return tr(
        '{address} sent a claim "{claim}" that is not a single text, but {kind} about {person}. Have it release that '
        "claim to this client, add its scope to scopes, or set claim in [auth.oidc] to the exact name of another one",
        address=address,
        claim=claim,
        kind=kind_of_value,
        person=person,
    )
