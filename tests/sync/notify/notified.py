"""The cast's university with notifications: a webhook that receives all events, and a way to deliver what is due."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType

from clearance.notify.assembly import delivery_and_watch
from clearance.services import Program
from status_db.accounts.accounts import Act, Grant
from sync.notify.deliver import Delivery
from sync.notify.watch import Watch
from tests.services.webhook_server import WebhookServer
from tests.world import COHORT, SETTINGS, World

WEBHOOK = """
[portal]
public_url = "https://clearance.example.edu"

[notify]
language = "en"
digest_window = "5 min"

[notify.webhook]
url = "env:HOOK_URL"
secret = "env:HOOK_SECRET"
"""


class Notified(World):
    """A world whose notifications go to `hook`."""

    def __init__(
        self,
        url: str,
        folder: Path,
        hook: WebhookServer,
        notify: str = WEBHOOK,
        environ: Mapping[str, str] | None = None,
        settings: str = SETTINGS,
    ) -> None:
        self.hook = hook
        given = {"HOOK_URL": hook.url, "HOOK_SECRET": "a secret of two", **(environ or {})}
        super().__init__(url, folder, settings + notify, given)
        self._opened: list[Program] = []

    @cached_property
    def program(self) -> Program:
        """The program, opened when it is first needed: until then the databases can be copied."""
        self._opened.append(Program(self.settings, COHORT, self.clock))
        return self._opened[0]

    @cached_property
    def parts(self) -> tuple[Delivery, Watch]:
        """The delivery and the watch."""
        return delivery_and_watch(self.program)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for program in self._opened:
            program.close()
        super().__exit__(kind, error, at)

    def administrator(self, account: str = "admin", *, mail: str = "") -> None:
        """Add an administrator, with an address where one is given."""
        self.accounts.add(account, "管理员", None, grants=[Grant(Act.MANAGE)], now=self.now)
        if mail:
            self.program.addresses.change(account, {"mail": mail})

    def deliver(self) -> int:
        """Look at the conditions and deliver what is due, as the background thread does."""
        delivery, watch = self.parts
        watch.look()
        return delivery.run()
