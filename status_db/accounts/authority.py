"""What an account is allowed to do, by step and scope. Pages and command line check permissions only here."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from status_db.accounts.accounts import Accounts
from status_db.accounts.grants import Act, Grant
from status_db.views import Scope

#: Step → the scopes in which something is allowed; a step that is missing is not allowed.
Allowed: TypeAlias = dict[str, tuple[Scope, ...]]


def allowed(grants: Iterable[Grant], acts: Collection[Act], steps: Iterable[str], cohort: str) -> Allowed:
    """Return the scopes in which any of these acts is allowed in a cohort, for each of these steps."""
    own = [grant for grant in grants if grant.act in acts and grant.cohort in (None, cohort)]
    by_step = {step: tuple(grant.scope for grant in own if grant.step in (None, step)) for step in steps}
    return {step: scopes for step, scopes in by_step.items() if scopes}


@dataclass(frozen=True, slots=True)
class Authority:
    """The current permissions of accounts, by their sealed rows and grants."""

    accounts: Accounts
    cohort: str

    def covers(self, account: str, acts: Collection[Act], scopes: Sequence[Scope], step: str | None = None) -> bool:
        """Return whether an active account has a grant for one of the acts in each of these scopes, at this step.

        Raises StoreError.
        """
        found = self.accounts.find(account)
        if found is None or not found.active:
            return False
        acting = [g for g in found.grants if g.act in acts and g.cohort in (None, self.cohort)]
        held = [grant.scope for grant in acting if step is None or grant.step in (None, step)]
        return all(scope in held for scope in scopes)
