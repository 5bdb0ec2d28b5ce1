"""A webhook, and worlds that notify it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.tls_office import Certificate, certificate
from tests.services.webhook_server import WebhookServer
from tests.sync.notify.notified import Notified


@pytest.fixture
def hook() -> Iterator[WebhookServer]:
    """A webhook."""
    with WebhookServer() as server:
        yield server


@pytest.fixture
def notified(status_url: str, tmp_path: Path, hook: WebhookServer) -> Iterator[Notified]:
    """A university on both databases that notifies the webhook; all its sources have answered."""
    with Notified(status_url, tmp_path, hook) as world:
        world.run_all()
        yield world


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for localhost."""
    return certificate(tmp_path_factory.mktemp("certificates"))
