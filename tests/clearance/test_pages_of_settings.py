"""Warnings of `check` and `serve` about [portal]: visitors behind a proxy must be distinguishable."""

import socket

import pytest

from tests.services.in_process import command
from tests.world import World

PUBLIC = '[portal]\npublic_url = "https://clearance.example.edu"\n'
UNNAMED = "proxies is not set"


def said(world: World, *words: str) -> str:
    """Run a command of a world; return all that it wrote."""
    ended = command(["--config", str(world.file), *words], {"STATUS_URL": world.url, "COLUMNS": "400"})
    return ended.out + ended.err


@pytest.mark.parametrize(
    ("portal", "warned"),
    [
        ("", ""),
        (PUBLIC, UNNAMED),
        (PUBLIC + 'proxies = ["127.0.0.1"]', ""),
        (PUBLIC + 'proxies = ["*"]', "visitors can forge"),
    ],
    ids=["no proxy", "an unnamed proxy", "a named one", "everybody"],
)
def test_check_and_serve_warn_where_visitors_cannot_be_distinguished(
    sqlite_world: World, portal: str, warned: str
) -> None:
    # The world's sources are the test's own, which no command knows.
    settings = sqlite_world.file.read_text(encoding="utf-8")
    settings = settings.replace('connector = "memory"', 'connector = "sheet"\npath = "x"') + "\n" + portal
    sqlite_world.file.write_text(settings, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        checked, served = said(sqlite_world, "check"), said(sqlite_world, "serve", "--port", port)
    assert "cannot be served" in served
    for output in (checked, served):
        assert (warned in output) if warned else ("[portal] proxies" not in output)
