"""A run that waits reaches a phone, and is approved there: real processes, from the message to the marks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser

from tests.browser.browsers import PHONE
from tests.patience import PATIENCE, until
from tests.services.small import CLEAR, Small, small
from tests.services.university import ROOT, free_port
from tests.services.webhook_server import WebhookServer

pytestmark = pytest.mark.slow

MORE = """
[portal]
public_url = "http://127.0.0.1:{port}"
[auth]
second_factor = "off"
[notify]
language = "zh"
[notify.webhook]
url = "env:HOOK_URL"
secret = "env:HOOK_SECRET"
"""


@contextmanager
def running(university: Small, *words: str, **environ: str) -> Iterator[None]:
    """Run a service of the program until this ends."""
    command = [sys.executable, "-m", "clearance", "--config", str(university.file), *words]
    own = university.environ | environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=own, cwd=university.folder, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def answers(port: int) -> bool:
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE):
        return True
    return False


def test_a_suspended_run_is_approved_from_the_link_in_its_message(chromium: Browser, tmp_path: Path) -> None:
    with ExitStack() as stack:
        hook, university, port = stack.enter_context(WebhookServer()), stack.enter_context(small(tmp_path)), free_port()
        with university.file.open("a", encoding="utf-8") as file:
            file.write(MORE.format(port=port))
        # A guard that lets no new step be held, so the answer waits for a person.
        university.change('obligation = "loan"', 'obligation = "loan"\nguard = { hold_count = 0, hold_percent = 0 }')
        university.loans([{"reader": CLEAR, "title": "矿物学", "due": "2019-05-24", "barcode": "B2"}])
        university.environ |= {"HOOK_URL": hook.url, "HOOK_SECRET": os.urandom(16).hex()}
        university.run("accounts", "add", "admin", "--name", "管理员", "--grant", "manage", "--grant", "read")
        code = university.run("accounts", "password", "admin").split()[-1]
        for words in (("serve", "--port", str(port)), ("schedule",)):
            stack.enter_context(running(university, *words))
        until(lambda: any(event["event"] == "run_suspended" for event in hook.events()))
        link = next(event["link"] for event in hook.events() if event["event"] == "run_suspended")
        until(lambda: answers(port))
        context = stack.enter_context(chromium.new_context(viewport=PHONE, locale="zh-CN"))  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.goto(link)
        assert "/sign-in" in page.url
        page.goto(f"http://127.0.0.1:{port}/first-password")
        page.fill('input[name="account"]', "admin")
        page.fill('input[name="code"]', code)
        page.press('input[name="code"]', "Enter")
        page.wait_for_url("**/new-password")
        for name in ("password", "again"):
            page.fill(f'input[name="{name}"]', "lampe-birne-treppe")
        page.press('input[name="again"]', "Enter")
        page.wait_for_url(lambda url: "/new-password" not in url)
        page.goto(link)
        page.get_by_label("已核对").check()
        page.get_by_role("button", name="批准本次变动").click()
        number = int(link.rpartition("/")[2].partition("?")[0])
        until(lambda: {"applied"} == {one["state"] for one in university.json("runs", "list") if one["run"] == number})
