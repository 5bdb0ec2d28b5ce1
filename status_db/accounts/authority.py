"""What an account is allowed: an act, for each step, and for whom. The pages and the command line ask it here alone."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from status_db.accounts.accounts import Accounts
from status_db.accounts.grants import Act, Grant
from status_db.views import Scope

#: Step → the scopes inside which something is allowed; a step that is not in it is not allowed at all.
Allowed: TypeAlias = dict[str, tuple[Scope, ...]]


def allowed(grants: Iterable[Grant], acts: Collection[Act], steps: Iterable[str], cohort: str) -> Allowed:
    """Return for each of these steps in which scopes any of these acts is allowed in a cohort."""
    own = [grant for grant in grants if grant.act in acts and grant.cohort in (None, cohort)]
    by_step = {step: tuple(grant.scope for grant in own if grant.step in (None, step)) for step in steps}
    return {step: scopes for step, scopes in by_step.items() if scopes}


@dataclass(frozen=True, slots=True)
class Authority:
    """Whether an account may do something now, by accounts and grants as they were sealed."""

    accounts: Accounts
    cohort: str

    def covers(self, account: str, acts: Collection[Act], scopes: Sequence[Scope], step: str | None = None) -> bool:
        """Say whether an active account has a grant for one of the acts in each of these scopes, at the step named.

        Raises StoreError.
        """
        found = self.accounts.find(account)
        if found is None or not found.active:
            return False
        acting = [g for g in found.grants if g.act in acts and g.cohort in (None, self.cohort)]
        held = [grant.scope for grant in acting if step is None or grant.step in (None, step)]
        return all(scope in held for scope in scopes)
