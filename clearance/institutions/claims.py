"""What institutions on one installation must not share: databases, keys, folders and host names.

Two that share one are refused, so that no row, file, cookie or request of one can reach another.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import BaseModel

from config.tables.secrets import DatabaseUrl, SecretUnusable, schema_of, secrets_in
from foundation.translation import tr

if TYPE_CHECKING:
    from config.institutions import InstitutionFile
    from config.settings import Settings

_LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})
_POSTGRES_PORT = 5432


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that an institution has for itself."""

    #: The key in the settings, as messages name it.
    place: str
    #: A host, a database, or a path; a path also claims everything below it.
    what: str | Path

    def meets(self, other: "Claim") -> bool:
        """Return whether both claim the same thing, or one is inside the other."""
        mine, theirs = self.what, other.what
        if isinstance(mine, Path) and isinstance(theirs, Path):
            return mine.is_relative_to(theirs) or theirs.is_relative_to(mine)
        return mine == theirs


def hosts_of(settings: "Settings") -> set[str]:
    """Return the host names of an institution's pages, in lower case, without ports."""
    portal = settings.portal
    return {host for url in (portal.public_url, portal.desk_public_url) if (host := host_of(url))}


def host_of(url: str) -> str:
    """Return the host name of an address, in lower case; empty if it has none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def claims_of(settings: "Settings") -> Iterator[Claim]:
    """Yield what an institution has for itself. What this process cannot read, such as a secret URL, is left out."""
    for host in sorted(hosts_of(settings)):
        yield Claim("[portal] public_url", host)
    own = settings.status_db
    for key in ("url", "desk_url", "portal_url", "operator_url"):
        if (url := getattr(own, key)) is not None and (database := _database_of(url)) is not None:
            yield Claim(f"[status_db] {key}", database)
    yield Claim("[status_db] ledger_key_file", own.ledger_key_file)
    yield Claim("[portal] key_file", settings.portal.key_file)
    if settings.desk.paper.folder is not None:
        yield Claim("[desk.paper] folder", settings.desk.paper.folder)
    if settings.metrics.backups is not None:
        yield Claim("[metrics] backups", settings.metrics.backups)
    if settings.demo.clock_file is not None:
        yield Claim("[demo] clock_file", settings.demo.clock_file)


def _database_of(url: DatabaseUrl) -> str | Path | None:
    """Return a database with its schema; None if the URL cannot be read here."""
    from sqlalchemy import make_url  # noqa: PLC0415 - see `config.database_urls`

    try:
        read = make_url(url.reveal())
    except SecretUnusable:
        return None
    if read.get_backend_name() == "sqlite":
        return Path(read.database or "").resolve()
    hosts = read.query.get("host", read.host or "")
    host = ",".join(hosts) if isinstance(hosts, tuple) else hosts
    port = read.query.get("port", read.port or _POSTGRES_PORT)
    named = "localhost" if host in _LOCAL or host.startswith("/") else host.lower()
    return f"{named}:{port}/{read.database or read.username} {schema_of(read) or 'public'}"


def mistakes(institution: "InstitutionFile", settings: "Settings", others: Mapping[str, Path]) -> list[str]:
    """Return what keeps an institution from being one of several; `others` are the folders of the others, by key."""
    found = []
    if not settings.portal.public_url or not hosts_of(settings):
        found.append(
            tr('[portal] public_url: is missing: write the address of this institution, such as "https://HOST"')
        )
    paths = [*_paths_in(settings), *_referenced_files(settings, institution)]
    for place, path in paths:
        found += [
            tr("{place}: {path} is in the folder of {other}: use a file of its own", place=place, path=path, other=key)
            for key, folder in others.items()
            if path.is_relative_to(folder.resolve())
        ]
    return list(dict.fromkeys(found))


def _paths_in(value: object, place: str = "") -> Iterator[tuple[str, Path]]:
    if isinstance(value, Path):
        yield place, value.resolve()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _paths_in(getattr(value, name), f"{place}.{name}".lstrip("."))
    elif isinstance(value, Mapping):
        for name, inside in value.items():
            yield from _paths_in(inside, f"{place}.{name}".lstrip("."))


def _referenced_files(settings: "Settings", institution: "InstitutionFile") -> Iterator[tuple[str, Path]]:
    for place, secret in secrets_in(settings):
        if secret.reference.startswith("file:"):
            yield place, (institution.folder / secret.reference.removeprefix("file:")).resolve()
        if isinstance(secret, DatabaseUrl) and isinstance(file := _database_of(secret), Path):
            yield place, file


def meeting(one: "Settings", other: "Settings") -> list[str]:
    """Return what two institutions share, with the fix, as the first one has to read it."""
    theirs = tuple(claims_of(other))
    found = []
    for claim in claims_of(one):
        for met in theirs:
            if claim.meets(met):
                found.append(
                    tr(
                        "{place}: {what} also belongs to {other} ({where}): give each institution its own",
                        place=claim.place,
                        what=claim.what,
                        other=other.key,
                        where=met.place,
                    )
                )
                break
    return found
