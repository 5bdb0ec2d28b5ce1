"""The programs of institutions, as the schedule and workers use them."""

from collections.abc import Callable

from clearance.context import ERROR, GlobalOptions, ServedCohorts
from clearance.institutions.folder import InstitutionFolder
from clearance.output import tables
from clearance.settings_file import institution_folder, load_settings
from config.institutions import institution_in
from config.load import SettingsError
from config.log_names import use_key
from config.processes import Process, missing
from config.renames import log_former_keys
from config.settings import Settings
from foundation.acting import acting_for
from foundation.refusals import Refused
from foundation.translation import tr
from status_db.desk.key import DeskKey


def institution_folder_of(here: GlobalOptions) -> InstitutionFolder:
    """Return the folder of the institutions that a command is for."""
    folder = institution_folder(here.institutions)
    assert folder is not None  # noqa: S101 - `GlobalOptions.several` was asked
    return folder


def programs_of(here: GlobalOptions, settings: Settings, process: Process) -> ServedCohorts:
    """Return the programs of one institution's open cohorts, with these settings. Raises SettingsError.

    Its log names use its own key from now on. The caller acts for the institution.
    """
    one = here.of(settings.key)
    if lines := missing(settings, process):
        raise SettingsError(one.file, lines)
    use_key(DeskKey(settings.portal.key_file).log_key, settings.key)
    log_former_keys(settings)
    return ServedCohorts(one.programs_of(settings))


def program_of(here: GlobalOptions, key: str, process: Process) -> ServedCohorts:
    """Return the programs of the institution with a key; the empty key is the only institution. Raises SettingsError.

    This reads the settings file as it is now. The caller acts for the institution, and closes the programs.
    """
    if not key:
        return here.season(process, service=True)
    assert here.institutions is not None  # noqa: S101 - keys come from its folder
    one = institution_in(here.institutions, key)
    return programs_of(here, load_settings(one.file, one), process)


def check_each(
    here: GlobalOptions, check: Callable[[GlobalOptions], tuple[list[dict[str, object]], int]], *, quiet: bool
) -> int:
    """Check each institution, whatever the others are like; print what was found, and return the exit code."""
    found = institution_folder_of(here).read()
    code, listed = 0, {}
    for key in found.usable():
        if not quiet:
            tables.OUT.print(tr("institution {key}", key=key))
        lines = list(found.faults.get(key, ()))
        if key in found.settings and not lines:
            try:
                with acting_for(key):
                    listed[key], one = check(here.of(key))
                code = max(code, one)
                continue
            except SettingsError as error:
                lines = error.mistakes
            except Refused as error:
                lines = [str(error)]
        code = max(code, ERROR)
        listed[key] = [{"key": key, "faults": lines}]
        for line in () if quiet else lines:
            tables.ERR.print(f"  {line}")
    if quiet:
        tables.as_json(listed)
    return code
