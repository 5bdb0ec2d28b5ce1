"""WeCom (企业微信): the sign-in page, and from a code to the userid of a member of the enterprise.

As its documentation has it: `gettoken` returns a token for 7200 s, `auth/getuserinfo` the member of a code. A member
has a `userid`; somebody outside the enterprise has an `openid` and is refused. Every answer has an `errcode`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from config.tables.providers import Wecom
from foundation.translation import tr
from portal.auth.providers.http import ProviderClient
from portal.auth.providers.messenger import TokenKeeper, failure, object_of, revealed, text_of
from portal.auth.refusals import SignInCode, SignInRefused, printable

#: The token is not accepted any more.
_OLD_TOKEN = (40014, 42001)


class WecomProvider:
    """The enterprise of the settings."""

    method = "wecom"
    code = "code"

    def __init__(self, settings: Wecom) -> None:
        self._settings = settings
        self._client = ProviderClient(self.method, settings.ca_file)
        self._token = TokenKeeper()

    def login_address(self, back: str, state: str, agent: str) -> str:
        """Return the page with the QR code; within WeCom itself, the page that needs none."""
        own = self._settings
        shared = {"appid": own.corp_id, "agentid": own.agent_id, "redirect_uri": back, "state": state}
        if "wxwork" in agent.lower():
            asked = urlencode({**shared, "response_type": "code", "scope": "snsapi_base"})
            return f"{own.login_inside}/connect/oauth2/authorize?{asked}#wechat_redirect"
        return f"{own.login}/wwlogin/sso/login?{urlencode({'login_type': 'CorpApp', **shared})}"

    def redeem(self, code: str, now: datetime) -> str:
        """Return the name here of the member of a code. Raises SignInRefused."""
        found = self._asked("/cgi-bin/auth/getuserinfo", {"code": code}, now)
        userid = text_of(found, "userid")
        if not userid:
            raise SignInRefused(
                self.method,
                SignInCode.REFUSED,
                tr(
                    "WeCom knows the person, but not as a member of this enterprise. Have the WeCom administrator add "
                    "them, or let them use another way to sign in."
                ),
            )
        return userid if self._settings.attribute == "userid" else self._attribute(userid, now)

    def reach(self, _public_url: str, now: datetime) -> None:
        """Request a token. Raises SignInRefused."""
        self._token.forget()
        self._current_token(now)

    def _attribute(self, userid: str, now: datetime) -> str:
        wanted = self._settings.attribute
        found = self._asked("/cgi-bin/user/get", {"userid": userid}, now)
        if wanted == "alias":
            value = text_of(found, "alias")
        else:
            extended = found.get("extattr")
            listed = extended.get("attrs") if isinstance(extended, dict) else None
            attrs = listed if isinstance(listed, list) else []
            values = [text_of(each, "value") for each in attrs if isinstance(each, dict) and each.get("name") == wanted]
            value = values[0] if len(values) == 1 else ""
        if value:
            return value
        raise SignInRefused(
            self.method,
            SignInCode.REFUSED,
            tr(
                'WeCom returns no single attribute "{attribute}" of {person}. Have its administrator fill it in and '
                "let this application read it, or correct attribute in [auth.wecom].",
                attribute=wanted,
                person=printable(userid, 100),
            ),
            userid,
        )

    def _asked(self, path: str, params: Mapping[str, str], now: datetime) -> Mapping[str, Any]:
        """Return the answer to a question with the token, which is requested again once if it is old."""
        url = f"{self._settings.api}{path}"
        found: Mapping[str, Any] = {}
        for _ in range(2):
            body = self._client.get(url, {"access_token": self._current_token(now), **params})
            found = object_of(self.method, body, url)
            if found.get("errcode") not in _OLD_TOKEN:
                break
            self._token.forget()
        if found.get("errcode") != 0:
            raise failure(self.method, url, found.get("errcode"), found.get("errmsg"), _fix(found.get("errcode")))
        return found

    def _current_token(self, now: datetime) -> str:
        if token := self._token.current(now):
            return token
        url = f"{self._settings.api}/cgi-bin/gettoken"
        asked = {"corpid": self._settings.corp_id, "corpsecret": revealed(self.method, self._settings.secret)}
        found = object_of(self.method, self._client.get(url, asked), url)
        token = text_of(found, "access_token")
        if found.get("errcode") != 0 or not token:
            raise failure(self.method, url, found.get("errcode"), found.get("errmsg"), _fix(found.get("errcode")))
        return self._token.keep(token, found.get("expires_in"), now)


def _fix(code: object) -> str:
    known = {
        40001: tr("Compare secret in [auth.wecom] with the application's Secret."),
        40013: tr("Compare corp_id in [auth.wecom] with the enterprise's CorpID."),
        40029: tr("A code is valid once and for five minutes: sign in again."),
        50001: tr("Enter the host of public_url, with its port, as the application's trusted domain."),
        60011: tr("Let the application read the members of the directory."),
        60020: tr("Enter this server's address in the application's list of trusted IP addresses."),
    }
    return known.get(code if isinstance(code, int) else 0, tr("See the error codes in WeCom's documentation."))
