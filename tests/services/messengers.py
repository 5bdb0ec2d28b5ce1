"""WeCom and DingTalk on loopback sockets, as their documents have them: codes once, tokens, error codes with 200."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


class _Loopback:
    """A server on a free port that answers JSON by the path, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        #: Code → person; a code is taken away when it is used.
        self.codes: dict[str, dict[str, Any]] = {}
        #: Tokens that are good.
        self.tokens: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                self._answer(json.loads(self.rfile.read(length) or b"{}"))

            def _answer(self, body: dict[str, Any]) -> None:
                parts = urlsplit(self.path)
                params = {name: values[0] for name, values in parse_qs(parts.query).items()}
                owner.asked.append(parts.path)
                status, said = owner.answer(parts.path, params, body, dict(self.headers))
                content = json.dumps(said, ensure_ascii=False).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(
        self, path: str, params: dict[str, str], body: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """Return the status and the answer to a request."""
        raise NotImplementedError

    def new_token(self) -> str:
        self.tokens.append(f"program-token-{len(self.tokens) + 1}")
        return self.tokens[-1]


class Wecom(_Loopback):
    """An enterprise with CorpID `corp`, whose application has the Secret `between us`."""

    def answer(
        self, path: str, params: dict[str, str], body: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        if path == "/cgi-bin/gettoken":
            if params.get("corpsecret") != "between us":
                return 200, {"errcode": 40001, "errmsg": "invalid credential"}
            return 200, {"errcode": 0, "errmsg": "ok", "access_token": self.new_token(), "expires_in": 7200}
        if params.get("access_token") not in self.tokens[-1:]:
            return 200, {"errcode": 42001, "errmsg": "access_token expired"}
        if path == "/cgi-bin/auth/getuserinfo":
            person = self.codes.pop(params.get("code", ""), None)
            if person is None:
                return 200, {"errcode": 40029, "errmsg": "invalid code"}
            known: dict[str, Any] = {key: person[key] for key in ("userid", "openid") if key in person}
            return 200, {"errcode": 0, "errmsg": "ok", **known}
        if path == "/cgi-bin/user/get":
            attrs = [{"type": 0, "name": "学号", "value": "20151001"}] if params.get("userid") == "lin" else []
            return 200, {"errcode": 0, "userid": params.get("userid"), "extattr": {"attrs": attrs}}
        return 404, {}


class Dingtalk(_Loopback):
    """An organisation `corp`; its application has the Client ID `clearance`."""

    def answer(
        self, path: str, params: dict[str, str], body: dict[str, Any], headers: dict[str, str]
    ) -> tuple[int, dict[str, Any]]:
        if path == "/v1.0/oauth2/userAccessToken":
            if (body.get("clientId"), body.get("clientSecret")) != ("clearance", "between us"):
                return 400, {"code": "invalidClientIdOrSecret", "message": "无效的clientId或者clientSecret"}
            person = self.codes.pop(body.get("code", ""), None)
            if person is None:
                return 400, {"code": "invalidParameter.authCode.notFound", "message": "不存在的authCode"}
            return 200, {"accessToken": f"of {person['union']}", "expireIn": 7200, "corpId": person["corp"]}
        if path == "/v1.0/contact/users/me":
            token = next((v for k, v in headers.items() if k.lower() == "x-acs-dingtalk-access-token"), "")
            return 200, {"nick": "小林", "unionId": token.removeprefix("of "), "openId": "o"}
        if path == "/v1.0/oauth2/accessToken":
            if body.get("appSecret") != "between us":
                return 400, {"code": "invalidAppSecret", "message": "appSecret"}
            return 200, {"accessToken": self.new_token(), "expireIn": 7200}
        if params.get("access_token") not in self.tokens[-1:]:
            return 200, {"errcode": 40014, "errmsg": "不合法的access_token"}
        if path == "/topapi/user/getbyunionid":
            members = {"u-lin": {"userid": "20151001", "contact_type": 0}, "u-ext": {"userid": "x", "contact_type": 1}}
            found = members.get(body.get("unionid", ""))
            return 200, {"errcode": 0, "result": found} if found else {"errcode": 60121, "errmsg": "找不到该用户"}
        if path == "/topapi/v2/user/get":
            return 200, {"errcode": 0, "result": {"userid": body.get("userid"), "job_number": "20151001"}}
        return 404, {}
