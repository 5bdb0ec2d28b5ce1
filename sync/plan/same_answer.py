"""The same answer again, by its digest or by the source's own fingerprint: nothing is compared."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from config.settings import Settings
from connectors.port import Fingerprint, Proof, ProofKind, Snapshot
from status_db.marks.current import CurrentState, SourceState
from status_db.marks.runs import Pull
from status_db.model import digest_of, is_ahead
from sync import rule_settings
from sync.rule.records import SourceRule

#: How many rows are digested at once.
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class SameAnswer:
    """One read of the marks, for an answer that is already stored."""

    #: The cohort's revision.
    base: int
    state: SourceState
    pull: Pull


def same_answer(
    stored: CurrentState, settings: Settings, rule: SourceRule, state: SourceState, snapshot: Snapshot, clock: datetime
) -> SameAnswer:
    """Read what is needed to record that an answer is the stored one."""
    pull = Pull(
        began=snapshot.began,
        ended=snapshot.ended,
        fresh_for=rule_settings.fresh_for(settings, settings.source[rule.source]),
        settings_digest=rule.digest,
        fingerprint=state.fingerprint,
        reported_fingerprint=None,
        compared_at=None,
        roster_rows=state.recent_rows[-1],
        unmatched_key_count=state.unmatched_keys,
        source_base=state.revision,
        asked_later=stored.runs.asked_later(rule.source, snapshot.began, clock),
        judged_at=clock,
    )
    return SameAnswer(stored.revision(), state, pull)


def untouched(
    connection: Connection, settings: Settings, cohort: str, name: str, fingerprint: Fingerprint, now: datetime
) -> tuple[SameAnswer, Snapshot] | None:
    """Read the same where a source reports that its answer is the stored one; return it with an answer without rows.

    None where the answer must be read: the fingerprint differs or none is stored, the settings, the roster or an alias
    have changed, a student was rechecked since, or it was last read whole too long ago.
    """
    rule, stored = (
        rule_settings.source_rule(settings, name),
        CurrentState(connection, cohort, settings.open_beside(cohort)),
    )
    state, source = stored.source(name), settings.source[name]
    reported = source_fingerprint(rule, rule_settings.location(source), stored.roster_revisions(), fingerprint.value)
    if reported != state.reported_fingerprint or state.compared_at is None:
        return None
    if fingerprint.began >= state.compared_at + source.full_every or is_ahead(state.compared_at, now):
        return None
    proof = Proof(ProofKind.FINGERPRINT_SAME, fingerprint.detail)
    snapshot = Snapshot((), (), fingerprint.began, now, (proof,))
    same = same_answer(stored, settings, rule, state, snapshot, now)
    return replace(same, pull=replace(same.pull, reported_fingerprint=reported)), snapshot


def fingerprint_of(rule: SourceRule, rosters: str, snapshot: Snapshot) -> bytes:
    """Digest an answer as it came, with all that decides its meaning: the settings, the roster and its aliases.

    The digest covers the rows themselves. Rows in another order have another digest, and are compared.
    """
    rows = snapshot.rows
    parts = [rule.digest, rosters.encode(), repr(snapshot.fields).encode()]
    parts += [_digest_of_text(repr(rows[start : start + _AT_ONCE])) for start in range(0, len(rows), _AT_ONCE)]
    if snapshot.population is not None:
        parts.append(_digest_of_text(repr(snapshot.population)))
    return digest_of(parts)


def _digest_of_text(text: str) -> bytes:
    return digest_of([text.encode("utf-8", "surrogatepass")])


def source_fingerprint(rule: SourceRule, where: bytes, rosters: str, fingerprint: bytes | None) -> bytes | None:
    """Digest a source's own fingerprint of its answer, with its location and all that decides its meaning."""
    if fingerprint is None:
        return None
    return digest_of([rule.digest, where, rosters.encode(), fingerprint])


def question_of(rule: SourceRule, where: bytes) -> bytes:
    """Digest the question and the location: asking about one student is proven for one question only."""
    return digest_of([rule.digest, where])
