"""The stage of a session before the second factor: what the page shows, and which forms it accepts."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from portal.auth import sessions
from portal.auth.passkeys import RelyingParty
from portal.page.context import SignedIn
from portal.page.services import Services
from status_db.sign_in.second_factor import RECENT, AccountFactors, asked_of

Stage: TypeAlias = Literal["code", "set_up", "ask", "manage"]


@dataclass(frozen=True, slots=True)
class FactorTurn:
    """One request and the stage of its session."""

    context: SignedIn
    goal: str
    held: AccountFactors
    stage: Stage

    @property
    def services(self) -> Services:
        """The shared services."""
        return self.context.services

    @property
    def account(self) -> str:
        """Whose session it is."""
        return self.context.account.account

    @property
    def token_hash(self) -> bytes:
        """The hash that the session is stored by."""
        return sessions.hash_of(self.context.visitor.token)

    @property
    def party(self) -> RelyingParty | None:
        """The relying party of passkeys; None where they do not work."""
        return RelyingParty.of(self.context.settings.portal.public_url)


def concerns(context: SignedIn) -> bool:
    """Return whether an account is asked for a second factor at all."""
    return context.visitor.narrowed is not None or asked_of(context.settings.auth, context.account)


async def turn_of(context: SignedIn, goal: str) -> FactorTurn:
    """Return a session's stage now; `goal` is the page that the visitor asked for."""
    now, token_hash, factors = context.now, sessions.hash_of(context.visitor.token), context.services.factors
    held = await context.ask(factors.held, context.account.account)
    stage: Stage
    if not held.any:
        stage = "set_up" if await context.ask(factors.may_set_up, token_hash, now) else "code"
    else:
        shown = await context.ask(factors.shown_at, token_hash) if context.visitor.narrowed is None else None
        stage = "manage" if shown is not None and now - shown < RECENT else "ask"
    return FactorTurn(context, goal, held, stage)
