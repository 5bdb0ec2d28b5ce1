"""People who come by a provider: the pages on a port of their own, and browsers over real sockets."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from clearance.web import application
from status_db.accounts.audit_log import Audit, AuditEvent, AuditLine
from tests.patience import PATIENCE
from tests.portal.html_page import Page
from tests.services.pages import served
from tests.services.university import free_port
from tests.world import SETTINGS, World


@dataclass(frozen=True, slots=True)
class Open:
    """A university whose pages are open at an address."""

    world: World
    address: str

    def browser(self) -> httpx.Client:
        """Return a browser that follows every redirect and keeps its cookies."""
        return httpx.Client(base_url=self.address, follow_redirects=True, trust_env=False, timeout=PATIENCE)

    def lines(self, event: AuditEvent) -> tuple[AuditLine, ...]:
        """Return the audit log's lines of one kind, the newest first."""
        return Audit(self.world.desk).newest(event=event)


@contextmanager
def opened(folder: Path, auth: str, environ: Mapping[str, str] | None = None) -> Iterator[Open]:
    """Open the cast's university with these tables of settings: its roster is read, and nobody has an account."""
    port = free_port()
    settings = f'{SETTINGS}\n[portal]\npublic_url = "http://127.0.0.1:{port}"\n{auth}'
    folder.mkdir(exist_ok=True)
    with World(f"sqlite:///{folder / 'clearance.db'}", folder, settings, environ) as world:
        world.run("roster")
        # Providers stamp what they say with the real time.
        world.now = datetime.now(UTC)
        with served(application(world.settings, clock=world.clock), port) as address:
            yield Open(world, address)


def fields_of(page: httpx.Response) -> dict[str, str]:
    """Return the fields that stand in a page's last form."""
    return {name: values[-1] for name, values in Page(page).all("form")[-1].fields.items()}
