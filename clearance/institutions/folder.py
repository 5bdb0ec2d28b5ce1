"""Reads the settings of all institutions in a folder; one that cannot be used does not stop the others."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from clearance.institutions import claims
from config.institutions import InstitutionFile, institutions_in, wrong_key
from config.load import Schemas, SettingsError, load, load_process
from config.settings import ProcessSettings, Settings
from foundation.private_files import write_new
from foundation.refusals import Refused
from foundation.translation import tr


@dataclass(frozen=True, slots=True)
class Institutions:
    """The institutions of a folder, as they can be used now."""

    process: ProcessSettings
    #: Key → settings. An institution whose changed file cannot be used has the settings that it had before.
    settings: Mapping[str, Settings]
    #: Key → what is wrong with the file as it is now, each line with its fix.
    faults: Mapping[str, list[str]] = field(default_factory=dict)

    def usable(self) -> dict[str, bool]:
        """Return every key, and whether its file can be used as it is now."""
        return {key: key not in self.faults for key in sorted({*self.settings, *self.faults})}


@dataclass(slots=True)
class InstitutionFolder:
    """A folder of settings files.

    The text of each file that could be used is kept. While its file cannot be used, an institution goes on with it;
    with `kept`, this holds for all processes that name that folder, and for those that start later.
    """

    folder: Path
    schemas: Schemas
    environ: Mapping[str, str] | None = None
    kept: Path | None = None
    _texts: dict[str, str] = field(default_factory=dict)

    def read(self) -> Institutions:
        """Return the institutions. Raises SettingsError for the folder itself, and for what they share."""
        process, found = load_process(self.folder, self.environ), self._listed()
        before = self._kept_texts()
        faults: dict[str, list[str]] = {}
        texts: dict[str, str] = {}
        read: dict[str, Settings] = {}
        for one in found:
            try:
                texts[one.key] = one.file.read_text(encoding="utf-8-sig")
                read[one.key] = self._load(one, found, texts[one.key])
            except SettingsError as error:
                faults[one.key] = error.mistakes
            except (OSError, UnicodeDecodeError) as error:
                faults[one.key] = [
                    tr("the file could not be read ({error}): save it as UTF-8, readable here", error=error)
                ]
        # What is in use goes on; then what has changed, unless it takes something of these.
        used = {key: one for key, one in read.items() if before.get(key) == texts[key]}
        _refuse_meetings(used, {}, faults)
        self._add_kept(found, before, used, faults)
        fresh = {key: one for key, one in read.items() if key not in used and key not in faults}
        _refuse_meetings(fresh, used, faults)
        used |= fresh
        self._add_kept(found, before, used, faults)
        self._keep({key: texts[key] if key not in faults else before[key] for key in used})
        return Institutions(process, dict(sorted(used.items())), faults)

    def again(self) -> Institutions:
        """Return the institutions as they were kept, for a process that helps another one. Raises SettingsError."""
        process, found, before = load_process(self.folder, self.environ), self._listed(), self._kept_texts()
        if not before:
            return self.read()
        used: dict[str, Settings] = {}
        self._add_kept(found, before, used, {one.key: [] for one in found})
        return Institutions(process, used)

    def _listed(self) -> list[InstitutionFile]:
        try:
            return list(institutions_in(self.folder))
        except OSError as error:
            why = tr("the folder of the institutions could not be read ({error}): name another one", error=error)
            raise SettingsError(self.folder, [why]) from None

    def _load(self, one: InstitutionFile, found: list[InstitutionFile], text: str) -> Settings:
        if wrong := wrong_key(one.key):
            raise SettingsError(one.file, [wrong])
        settings = load(one.file, self.schemas, self.environ, institution=one, text=text)
        others = {other.key: other.folder for other in found if other.key != one.key}
        if mistakes := claims.mistakes(one, settings, others):
            raise SettingsError(one.file, mistakes)
        return settings

    def _add_kept(
        self,
        found: list[InstitutionFile],
        before: Mapping[str, str],
        used: dict[str, Settings],
        faults: Mapping[str, list[str]],
    ) -> None:
        """Add the kept settings of each institution with a fault, unless they would take something of another."""
        for one in found:
            if one.key in used or one.key not in faults or one.key not in before:
                continue
            with suppress(Refused, OSError):
                settings = self._load(one, found, before[one.key])
                if not any(claims.meeting(settings, other) for other in used.values()):
                    used[one.key] = settings

    def _kept_texts(self) -> dict[str, str]:
        if self.kept is None:
            return dict(self._texts)
        return {file.stem: file.read_text(encoding="utf-8") for file in self.kept.glob("*.toml")}

    def _keep(self, texts: dict[str, str]) -> None:
        self._texts = texts
        if self.kept is None:
            return
        for file in self.kept.glob("*.toml"):
            if file.stem not in texts:
                file.unlink(missing_ok=True)
        for key, text in texts.items():
            file = self.kept / f"{key}.toml"
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                # Several processes can write the same at the same time.
                new = file.with_suffix(f".{os.getpid()}")
                new.unlink(missing_ok=True)
                write_new(new, text.encode())
                new.replace(file)


def _refuse_meetings(fresh: dict[str, Settings], used: Mapping[str, Settings], faults: dict[str, list[str]]) -> None:
    """Take out of `fresh` each institution that shares something with another one; note why."""
    for key, settings in sorted(fresh.items()):
        others = [other for name, other in {**used, **fresh}.items() if name != key]
        if shared := [line for other in others for line in claims.meeting(settings, other)]:
            faults[key] = shared
    for key in faults.keys() & fresh.keys():
        del fresh[key]


def log_faults(found: Institutions) -> None:
    """Log what is wrong with each settings file, with the fix."""
    for key, lines in found.faults.items():
        goes_on = key in found.settings
        structlog.get_logger("clearance.institutions").error(
            "settings not used", institution=key, goes_on_with_former=goes_on, message="; ".join(lines)
        )
