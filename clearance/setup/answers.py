"""The answers that `clearance init` needs, from a TOML file or from a person, checked together."""

import tomllib
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from clearance.output.code_words import joined
from config.load import SettingsError
from config.tables.base import Table
from config.wording import key_at, reason, why_no_toml
from foundation.translation import tr

Step = Literal["library", "textbook", "finance", "dorm", "college", ""]


class AboutInstitution(Table):
    """The university."""

    name: Annotated[str, Field(min_length=1)]
    contact: str = ""
    timezone: str = "Asia/Shanghai"


class AboutCohort(Table):
    """The first cohort, and the first and last day of its clearance."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    name: str
    opens: date | None = None
    closes: date | None = None


class AboutServer(Table):
    """Where it is served, and how."""

    public_url: str = ""
    desk_public_url: str = ""
    proxy: Literal["nginx", "caddy", "none"] = "nginx"
    #: `three` services with a user and a database role each, or `one`: `clearance up`.
    processes: Literal["three", "one"] = "three"
    database: Literal["postgresql", "sqlite"] = "postgresql"

    def mistakes(self) -> list[str]:
        """Return what contradicts itself, each with the fix."""
        server, lines = self, []
        if server.database == "sqlite" and server.processes == "three":
            lines.append(
                tr(
                    "[server]: three services have a user each and cannot share an SQLite file: set processes = "
                    '"one", or database = "postgresql"'
                )
            )
        addresses = {key: getattr(server, key) for key in ("public_url", "desk_public_url") if getattr(server, key)}
        for key, address in addresses.items():
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                lines.append(tr('[server] {key}: write an address such as "https://clearance.example.edu.cn"', key=key))
        paths = {bool(urlsplit(address).path.strip("/")) for address in addresses.values()}
        if len(paths) > 1:
            lines.append(
                tr("[server]: one address has a path and the other has none: give both a host name, or both a path")
            )
        elif True in paths and len({urlsplit(address).netloc for address in addresses.values()}) > 1:
            lines.append(tr("[server]: two addresses with a path are below one host: write the same host in both"))
        if len(addresses) > len(set(addresses.values())):
            lines.append(
                tr(
                    "[server]: public_url and desk_public_url are the same: give staff a host name or a path of their "
                    "own, or remove desk_public_url"
                )
            )
        if server.proxy != "none" and not server.public_url:
            lines.append(tr('[server]: a proxy needs public_url: set it, or proxy = "none"'))
        if server.proxy != "none" and server.public_url and not server.desk_public_url:
            lines.append(tr("[server]: staff have an address of their own: set desk_public_url"))
        return lines


class AboutSignIn(Table):
    """How people sign in, besides accounts of our own."""

    kind: Literal["local", "cas", "oidc", "ldap", "wecom", "dingtalk"] = "local"
    #: The keys of its table in the settings, such as `url`.
    keys: dict[str, str] = {}  # noqa: RUF012 - pydantic copies a field's default


class Where(Table):
    """Where one list is: a database, a sheet, or an address that answers JSON."""

    #: What staff read for it; left out, what is proposed.
    title: str = ""
    #: The name of its table; left out, what is proposed.
    name: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,39})?$")] = ""
    step: Step = ""
    #: The address of a database, or `env:NAME` or `file:PATH` with it.
    database: str = ""
    #: The table or view; left out, what is recognised.
    table: str = ""
    #: The path of a list, and its worksheet.
    sheet: str = ""
    sheet_name: str = ""
    #: The address of a JSON API, and its table `auth`.
    url: str = ""
    auth: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies a field's default

    def mistakes(self, at: str) -> list[str]:
        """Return what contradicts itself, each with the fix."""
        given = [key for key in ("database", "sheet", "url") if getattr(self, key)]
        lines = []
        if len(given) != 1:
            lines.append(
                tr("{at}: {given} are given: keep the one where the list is", at=at, given=joined(given))
                if given
                else tr("{at}: where is it? Set database, sheet or url", at=at)
            )
        for key, of in (("table", "database"), ("sheet_name", "sheet"), ("auth", "url")):
            if getattr(self, key) and not getattr(self, of):
                lines.append(tr("{at}: {key} belongs to {of}: set {of}, or remove {key}", at=at, key=key, of=of))
        return lines


class Answers(Table):
    """All answers."""

    institution: AboutInstitution
    cohort: AboutCohort
    server: AboutServer = AboutServer()
    sign_in: AboutSignIn = AboutSignIn()
    roster: Where
    source: list[Where] = []  # noqa: RUF012 - pydantic copies a field's default

    def mistakes(self) -> list[str]:
        """Return the answers that contradict each other, each with the fix."""
        lines = self.roster.mistakes("[roster]")
        if not self.source:
            lines.append(tr("[[source]] is missing: add one for the first office's system"))
        for number, source in enumerate(self.source, 1):
            lines += source.mistakes(f"[[source]] {source.name or number}")
        names = Counter(source.name for source in self.source if source.name)
        lines += [
            tr("[[source]] {name}: there are two of this name: rename one", name=name)
            for name, count in names.items()
            if count > 1
        ]
        if "roster" in names:
            lines.append(tr('[[source]]: "roster" is the list of students: give the source another name'))
        if (self.cohort.opens is None) != (self.cohort.closes is None):
            lines.append(tr("[cohort]: opens and closes belong together: set both, or neither"))
        if self.cohort.opens and self.cohort.closes and self.cohort.closes < self.cohort.opens:
            lines.append(
                tr(
                    "[cohort]: it closes on {closes}, before it opens on {opens}: correct one of the days",
                    closes=self.cohort.closes,
                    opens=self.cohort.opens,
                )
            )
        return lines + self.server.mistakes() + self._sign_in_mistakes()

    def _sign_in_mistakes(self) -> list[str]:
        kind, lines = self.sign_in.kind, []
        if kind == "local" and self.sign_in.keys:
            lines.append(tr('[sign_in]: kind = "local" has no keys: remove keys, or set kind'))
        if kind != "local" and not self.server.public_url:
            lines.append(tr("[sign_in]: {kind} needs public_url in [server]: set it", kind=kind))
        return lines


class MoreSources(Table):
    """The answers for settings that exist: only sources."""

    source: Annotated[list[Where], Field(min_length=1)]

    def mistakes(self) -> list[str]:
        """Return what contradicts itself, each with the fix."""
        return [
            line
            for number, source in enumerate(self.source, 1)
            for line in source.mistakes(f"[[source]] {source.name or number}")
        ]


def read_answers(file: Path) -> Answers:
    """Return the answers in a file. Raises SettingsError with every mistake."""
    return _checked(Answers, file, _raw(file))


def checked_answers(file: Path, raw: Mapping[str, Any]) -> Answers:
    """Return the answers of a person. Raises SettingsError, with `file` in its place, with every mistake."""
    return _checked(Answers, file, raw)


def checked_where(given: Mapping[str, str]) -> Where:
    """Return the list that options of a command name. Raises SettingsError."""
    return _checked(MoreSources, Path("source add"), {"source": [given]}).source[0]


def read_more(file: Path) -> MoreSources:
    """Return the sources in a file of answers; the other tables have been used before. Raises SettingsError."""
    return _checked(MoreSources, file, {"source": _raw(file).get("source", [])})


def _raw(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(file, [tr("there is no such file: name another with --answers FILE")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            file, [tr("the file could not be read ({error}): save it as UTF-8, readable here", error=error)]
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(file, [tr("invalid TOML ({error}): correct this line", error=why_no_toml(error))]) from None


_Kind = TypeVar("_Kind", Answers, MoreSources)


def _place(loc: tuple[int | str, ...]) -> str:
    """Return the place of an answer as the file writes it, such as `[[source]] 1 step`."""
    head, *rest = loc or ("",)
    if rest and isinstance(rest[0], int):
        return f"[[{head}]] {rest[0] + 1} {key_at(tuple(rest[1:]))}".rstrip()
    return f"[{head}] {key_at(tuple(rest))}".rstrip()


def _known(kind: type[Table], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that can stand at this place."""
    tables: dict[str, type[Table]] = {
        "institution": AboutInstitution, "cohort": AboutCohort, "server": AboutServer, "sign_in": AboutSignIn,
        "roster": Where, "source": Where,
    }  # fmt: skip
    return list((tables.get(str(loc[0]), kind) if len(loc) > 1 else kind).model_fields)


def _checked(kind: type[_Kind], file: Path, raw: Mapping[str, Any]) -> _Kind:
    try:
        found = kind.model_validate(raw)
    except ValidationError as error:
        raise SettingsError(
            file,
            [
                tr(
                    "{place}: {why}. An example: docs/how-to/bring-it-live.md",
                    place=_place(each["loc"]),
                    why=reason(each, _known(kind, each["loc"])),
                )
                for each in error.errors(include_url=False)
            ],
        ) from None
    if mistakes := found.mistakes():
        raise SettingsError(file, mistakes)
    return found
