"""An authenticator of software: it makes passkeys and signs with them as WebAuthn defines it, with real keys and CBOR.

A test may have it lie: about the page it is on, about having verified its user, about its count.
"""

import json
import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Authenticator:
    """One device with one passkey for one site."""

    origin: str
    #: Whether it asks its user for a fingerprint or a number.
    verifies: bool = True
    count: int = 0
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: os.urandom(16))

    def make(self, options: dict[str, Any], *, challenge: str = "") -> str:
        """Answer `navigator.credentials.create`."""
        numbers = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        attested = bytes(16) + len(self.id).to_bytes(2) + self.id + cbor2.dumps(public)
        about = self._about(options["rp"]["id"], _ATTESTED) + attested
        return self._answer(
            {
                "clientDataJSON": self._client("webauthn.create", challenge or options["challenge"]),
                "attestationObject": bytes_to_base64url(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": about})),
                "transports": ["internal", "of tomorrow"],
            }
        )

    def sign(self, options: dict[str, Any], *, challenge: str = "") -> str:
        """Answer `navigator.credentials.get`."""
        self.count += 1
        client = self._client("webauthn.get", challenge or options["challenge"])
        about = self._about(options["rpId"])
        signed = self.key.sign(about + sha256(base64url_to_bytes(client)).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": client,
                "authenticatorData": bytes_to_base64url(about),
                "signature": bytes_to_base64url(signed),
            }
        )

    def _about(self, rp_id: str, flags: int = 0) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies else 0)
        return sha256(rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _client(self, kind: str, challenge: str) -> str:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return bytes_to_base64url(json.dumps(said).encode())

    def _answer(self, response: dict[str, Any]) -> str:
        own = bytes_to_base64url(self.id)
        return json.dumps(
            {"id": own, "rawId": own, "type": "public-key", "response": response, "clientExtensionResults": {}}
        )
