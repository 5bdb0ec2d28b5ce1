"""An OpenID provider that sends whatever a test has it send, over real sockets."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey


class ScriptedProvider:
    """A provider at `issuer`; enter it to start it. A test changes what it answers."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one"}, auto_kid=False)
        self.keys = KeySet([self.key])
        #: In place of the keys, where a test has it so.
        self.key_set: Any = None
        self.discovery: dict[str, Any] = {}
        self.answer: Any = {"error": "invalid_grant"}
        self.user_info: Any = {}
        self.forms: list[dict[str, str]] = []
        self.credentials: list[str] = []
        self.asked: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(provider.said(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                provider.forms.append(form)
                provider.credentials.append(self.headers.get("Authorization", ""))
                self._say(provider.answer)

            def _say(self, said: Any) -> None:
                body = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def said(self, path: str) -> Any:
        """Return what it answers at a path."""
        self.asked.append(path)
        if path == "/jwks":
            return self.keys.as_dict(private=False) if self.key_set is None else self.key_set
        if path == "/userinfo":
            return self.user_info
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        } | self.discovery

    def signed(self, claims: dict[str, Any], header: dict[str, Any] | None = None, key: Any = None) -> str:
        """Return a token with these claims."""
        header = {"alg": "RS256", "kid": "one"} if header is None else header
        return jwt.encode(header, claims, key or self.key, algorithms=[header["alg"]])
