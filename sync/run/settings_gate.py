"""The comparison of this process's settings with the applied ones, and what applying them would change."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine

from config.meaning import differences, meaning_of
from config.settings import Settings
from connectors.port import Snapshot
from foundation.translation import tr
from status_db.marks import applied_settings
from status_db.marks.applied_settings import SettingsDiffer, SettingsDifferCode
from status_db.marks.current import CurrentState
from status_db.model import SETTINGS
from status_db.store.engine import reading
from sync.plan.settings import SettingsProposal, SettingsStages


@dataclass(frozen=True, slots=True)
class PendingSettings:
    """A change of settings that is not applied yet."""

    proposal: SettingsProposal
    #: The differences, key by key, and what they do to each step.
    lines: tuple[str, ...]


class SettingsGate:
    """Compares one process's settings with those that were applied to a cohort."""

    def __init__(self, engine: Engine, settings: Settings, cohort: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._settings = settings
        self._cohort = cohort
        self._clock = clock
        #: What the settings of this process mean.
        self.meaning = meaning_of(settings)

    def demand(self, connection: Connection) -> None:
        """Raise SettingsDiffer unless students have the steps that these settings give them."""
        if applied_settings.digest(connection, self._cohort) == self.meaning.digest:
            return
        known, stored = applied_settings.read(connection, self._cohort), CurrentState(connection, self._cohort)
        if known is not None and known.meaning.structure == self.meaning.structure:
            # The meaning of a source's rows changes with its own next answer.
            return
        if known is None and not stored.anybody():
            # A plan before the first run: no student has steps that could differ.
            return
        waiting = stored.runs.suspended(SETTINGS, 0)
        if waiting is not None:
            raise SettingsDiffer(SettingsDifferCode.WAITS, waits_already(waiting))
        raise SettingsDiffer(
            SettingsDifferCode.NOT_APPLIED,
            tr(
                "the settings of this process are not the ones that are applied, so no answer is applied. "
                "Check the change with `clearance plan` and apply it with `clearance sync`, or restart this "
                "process with the settings file that was applied."
            ),
        )

    def pending(self) -> PendingSettings | None:
        """Plan the change that is not applied yet; None where there is none, or the roster is empty."""
        with reading(self._engine) as connection:
            known = applied_settings.read(connection, self._cohort)
            if known is not None and known.digest == self.meaning.digest:
                return None
            proposal = self._proposal(connection)
        if known is None and not proposal.plan.students:
            return None
        before = known.meaning if known is not None else None
        return PendingSettings(proposal, (*differences(before, self.meaning), *proposal.by_step()))

    def proposal(self) -> SettingsProposal | None:
        """Plan the change from the applied settings to these; None where nothing differs and nothing waits."""
        with reading(self._engine) as connection:
            same = applied_settings.digest(connection, self._cohort) == self.meaning.digest
            if same and CurrentState(connection, self._cohort).runs.suspended(SETTINGS, 0) is None:
                return None
            return self._proposal(connection)

    def waiting(self) -> int | None:
        """Return the change of settings that waits for a person."""
        with reading(self._engine) as connection:
            return CurrentState(connection, self._cohort).runs.suspended(SETTINGS, 0)

    def nothing_asked(self) -> Snapshot:
        """Return an empty snapshot in place of an answer: a change of settings asks no office."""
        now = self._clock()
        return Snapshot(("student",), (), now, now, ())

    def _proposal(self, connection: Connection) -> SettingsProposal:
        stages = SettingsStages(self._settings, self._cohort, self.nothing_asked())
        return stages.decide(stages.gather(connection))


def waits_already(run: int) -> str:
    """Return the message that a change of settings waits for approval, with the fix."""
    return tr(
        "a change of settings waits for approval as run {run}, and no answer is applied before it. "
        "Check it with `clearance runs show {run}`, then run `clearance runs approve {run}`, or "
        "restart with the settings file that was applied.",
        run=run,
    )
