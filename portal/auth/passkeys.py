"""Passkeys by WebAuthn: the options for the browser, and the check of its answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from status_db.desk.key import DeskKey
from status_db.sign_in.passkeys import CHALLENGE, Passkey

#: Exceptions of the library for a malformed or wrong answer, its parsers' included.
_BROKEN = (WebAuthnException, ValueError, TypeError, LookupError, AttributeError, RecursionError)

_MILLISECONDS = int(CHALLENGE.total_seconds() * 1000)
_TRANSPORTS = tuple(transport.value for transport in AuthenticatorTransport)


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The relying party: passkeys belong to its host, and work on its pages only."""

    id: str
    origin: str

    @classmethod
    def of(cls, public_url: str) -> "RelyingParty | None":
        """Return the party of the public address; None without https or a host name: browsers refuse those."""
        try:
            parts = urlsplit(public_url)
            named = parts.port
        except ValueError:
            return None
        host = _ascii(parts.hostname or "")
        local = host == "localhost" or host.endswith(".localhost")
        if not host or _is_address(host) or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
            return None
        usual = {"https": 443, "http": 80}[parts.scheme]
        port = "" if named in (None, usual) else f":{named}"
        return cls(host, f"{parts.scheme}://{host}{port}")


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class PasskeyRequest:
    """A request to the browser for a passkey."""

    #: The options, as the page's script reads them.
    options: str
    #: The answer must be signed over it.
    challenge: bytes


@dataclass(frozen=True, slots=True)
class RegisteredPasskey:
    """A new passkey from a browser."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: Sequence[str]


def to_register(
    party: RelyingParty, institution: str, key: DeskKey, account: str, name: str, had: Sequence[Passkey]
) -> PasskeyRequest:
    """Return the request for a new passkey, on a device that has none of `had`. Raises KeyRefused."""
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=institution,
        # Stored with the passkey; a keyed hash does not identify the account to others.
        user_id=key.hashed("passkey user", account),
        user_name=account,
        user_display_name=name,
        timeout=_MILLISECONDS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_descriptors(had),
    )
    return PasskeyRequest(webauthn.options_to_json(options), options.challenge)


def to_sign(party: RelyingParty, had: Sequence[Passkey]) -> PasskeyRequest:
    """Return the request to use one of these passkeys."""
    options = webauthn.generate_authentication_options(
        rp_id=party.id,
        timeout=_MILLISECONDS,
        allow_credentials=_descriptors(had),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return PasskeyRequest(webauthn.options_to_json(options), options.challenge)


def registered(party: RelyingParty, credential: str, challenge: bytes) -> RegisteredPasskey | None:
    """Return the passkey that a browser has made for this challenge; None for an invalid answer."""
    try:
        answer = _read_answer(credential)
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except _BROKEN:
        return None
    listed = answer["response"].get("transports")
    transports = [one for one in listed if one in _TRANSPORTS] if isinstance(listed, list) else []
    return RegisteredPasskey(made.credential_id, made.credential_public_key, made.sign_count, transports)


def signed(
    party: RelyingParty, credential: str, challenge: bytes, had: Sequence[Passkey]
) -> tuple[Passkey, int] | None:
    """Return which of these passkeys signed this challenge, and its new count; None for an invalid answer."""
    try:
        answer = _read_answer(credential)
        shown = next(one for one in had if bytes_to_base64url(one.credential_id) == answer["id"])
        verified = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=shown.public_key,
            credential_current_sign_count=shown.sign_count,
            require_user_verification=True,
        )
    except (*_BROKEN, StopIteration):
        return None
    return shown, verified.new_sign_count


def _read_answer(text: str) -> dict[str, Any]:
    answer = json.loads(text)
    if not isinstance(answer, dict) or not isinstance(answer.get("response"), Mapping):
        raise TypeError("the answer is not an object with a response")
    return answer


def _descriptors(had: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=one.credential_id, transports=[AuthenticatorTransport(name) for name in one.transports]
        )
        for one in had
    ]
