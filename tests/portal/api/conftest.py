"""The API over the cast's university, and a token for everybody there."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import httpx
import pytest
from starlette.testclient import TestClient

from status_db.accounts import api_tokens
from status_db.accounts.api_tokens import ApiToken, Tokens
from tests.world import World

Ask = Callable[..., httpx.Response]


def give_token(
    world: World, account: str, title: str = "校园门户", recheck: Sequence[str] = ()
) -> tuple[str, ApiToken]:
    """Make a token with the grants of an account; return it, and what the desk knows of it."""
    secret = api_tokens.new_token()
    made = Tokens(world.desk).make(
        api_tokens.hash_of(secret),
        title,
        account,
        world.now + timedelta(days=400),
        by="test",
        now=world.now,
        recheck=recheck,
    )
    return secret, made


def bearing(secret: str) -> dict[str, str]:
    """Return the header that brings a token."""
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def ask(university: World, client: TestClient) -> Ask:
    """Return what asks the API with the token of an account; one token each."""
    given: dict[str, str] = {}

    def get(account: str, path: str, headers: dict[str, str] | None = None, **parameters: str | int) -> httpx.Response:
        if account not in given:
            given[account], _ = give_token(university, account)
        answer: httpx.Response = client.get(
            f"/api/v1{path}", params=parameters, headers=bearing(given[account]) | (headers or {})
        )
        return answer

    return get
