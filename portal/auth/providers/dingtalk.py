"""DingTalk (钉钉): the sign-in page, and from a code to the userid of a member of the organisation.

As its documentation has it: `userAccessToken` exchanges a code for a person's token with the `corpId` that they chose;
`contact/users/me` returns their `unionId`; `topapi/user/getbyunionid` maps it to the organisation's userid. Anybody
with DingTalk can reach the page: who chose another organisation, or is not in this one, is refused.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from config.tables.providers import Dingtalk
from foundation.translation import tr
from portal.auth.providers.http import ProviderClient
from portal.auth.providers.messenger import TokenKeeper, failure, object_of, revealed, text_of
from portal.auth.refusals import SignInCode, SignInRefused, printable

#: Answers with these statuses have a `code` and a `message`.
_EXPLAINED = frozenset({400, 401, 403, 404})

#: The token is not accepted any more.
_OLD_TOKEN = (40014, 42001)

#: No member of the organisation has this unionId.
_NO_MEMBER = 60121

#: The contact is a member, and not an external contact.
_MEMBER = 0


class DingtalkProvider:
    """The organisation of the settings."""

    method = "dingtalk"
    code = "authCode"

    def __init__(self, settings: Dingtalk) -> None:
        self._settings = settings
        self._client = ProviderClient(self.method, settings.ca_file)
        self._token = TokenKeeper()

    def login_address(self, back: str, state: str, _agent: str) -> str:
        """Return DingTalk's own page."""
        own = self._settings
        asked = {
            "redirect_uri": back,
            "response_type": "code",
            "client_id": own.client_id,
            "scope": "openid corpid",
            "state": state,
            "prompt": "consent",
            "corpId": own.corp_id,
        }
        return f"{own.login}/oauth2/auth?{urlencode(asked)}"

    def redeem(self, code: str, now: datetime) -> str:
        """Return the name here of the member of a code. Raises SignInRefused."""
        own = self._settings
        exchanged = self._api(
            "/v1.0/oauth2/userAccessToken",
            {
                "clientId": own.client_id,
                "clientSecret": revealed(self.method, own.client_secret),
                "code": code,
                "grantType": "authorization_code",
            },
        )
        if text_of(exchanged, "corpId") != own.corp_id:
            raise self._refused(
                tr(
                    "the person chose another organisation in DingTalk. They choose the university's own and sign in "
                    "again; if they did, compare corp_id in [auth.dingtalk]."
                )
            )
        url = f"{own.api}/v1.0/contact/users/me"
        headers = {"x-acs-dingtalk-access-token": text_of(exchanged, "accessToken")}
        me = self._checked(url, object_of(self.method, self._client.get_with(url, {}, headers, _EXPLAINED), url))
        return self._member(text_of(me, "unionId"), now)

    def reach(self, _public_url: str, now: datetime) -> None:
        """Request a token. Raises SignInRefused."""
        self._token.forget()
        self._current_token(now)

    def _member(self, union: str, now: datetime) -> str:
        found = self._older_api("/topapi/user/getbyunionid", {"unionid": union}, now)
        if found.get("errcode") == _NO_MEMBER:
            raise self._refused(
                tr(
                    "DingTalk knows the person, but not as a member of this organisation. Have its administrator add "
                    "them."
                )
            )
        result = self._result("/topapi/user/getbyunionid", found)
        userid = text_of(result, "userid")
        if result.get("contact_type", _MEMBER) != _MEMBER or not userid:
            raise self._refused(tr("DingTalk knows the person only as an external contact, not as a member."))
        if self._settings.attribute == "userid":
            return userid
        path = "/topapi/v2/user/get"
        number = text_of(self._result(path, self._older_api(path, {"userid": userid}, now)), "job_number")
        if not number:
            raise SignInRefused(
                self.method,
                SignInCode.REFUSED,
                tr(
                    "DingTalk returns no job number (工号) of {person}. Have its administrator fill it in, or set "
                    'attribute = "userid" in [auth.dingtalk].',
                    person=printable(userid, 100),
                ),
                userid,
            )
        return number

    def _api(self, path: str, content: Mapping[str, str]) -> Mapping[str, Any]:
        url = f"{self._settings.api}{path}"
        return self._checked(url, object_of(self.method, self._client.post_json(url, content, {}, _EXPLAINED), url))

    def _checked(self, url: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an answer that is a success. Raises SignInRefused."""
        if "code" in found:
            raise failure(self.method, url, found["code"], found.get("message"), _fix(str(found["code"])))
        return found

    def _older_api(self, path: str, content: Mapping[str, str], now: datetime) -> Mapping[str, Any]:
        """Return the answer of the older interface. An old token is requested again once. Raises SignInRefused."""
        url = f"{self._settings.older_api}{path}"
        found: Mapping[str, Any] = {}
        for _ in range(2):
            params = {"access_token": self._current_token(now)}
            found = object_of(self.method, self._client.post_json(url, content, params, _EXPLAINED), url)
            if found.get("errcode") not in _OLD_TOKEN:
                break
            self._token.forget()
        return found

    def _result(self, path: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
        result = found.get("result")
        if found.get("errcode") != 0 or not isinstance(result, dict):
            url = f"{self._settings.older_api}{path}"
            fix = tr("Let the application read the members of the directory (通讯录), in DingTalk's console.")
            raise failure(self.method, url, found.get("errcode"), found.get("errmsg"), fix)
        return result

    def _current_token(self, now: datetime) -> str:
        if token := self._token.current(now):
            return token
        own = self._settings
        found = self._api(
            "/v1.0/oauth2/accessToken", {"appKey": own.client_id, "appSecret": revealed(self.method, own.client_secret)}
        )
        return self._token.keep(text_of(found, "accessToken"), found.get("expireIn"), now)

    def _refused(self, message: str) -> SignInRefused:
        return SignInRefused(self.method, SignInCode.REFUSED, message)


def _fix(code: str) -> str:
    if "authCode" in code:
        return tr("A code is valid once and for five minutes: sign in again.")
    if "client" in code.lower() or "app" in code.lower():
        return tr("Compare client_id and client_secret in [auth.dingtalk] with the application's.")
    return tr("See the error codes in DingTalk's documentation.")
