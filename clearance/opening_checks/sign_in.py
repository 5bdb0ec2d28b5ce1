"""The institution's own sign-in: whether each provider answers as its protocol has it. No one is signed in."""

from collections.abc import Iterator

from clearance.services import Program
from config.tables.secrets import SecretUnusable
from foundation.translation import tr
from portal.auth.providers.providers import Providers
from portal.auth.refusals import SignInRefused


def warnings(program: Program) -> Iterator[str]:
    """Yield what keeps people from signing in, each with the fix."""
    settings = program.settings
    auth, public_url = settings.auth, settings.portal.public_url
    named = [name for name in ("cas", "oidc", "ldap", "wecom", "dingtalk") if getattr(auth, name, None) is not None]
    if not named and not auth.local:
        yield tr("no one can sign in: set local = true in [auth], or add a provider")
    try:
        providers = Providers.of(auth)
    except ImportError as error:
        yield tr("[auth]: a module is missing ({error}). Install the extra that docs/signing-in.md names", error=error)
        return
    for provider in providers.each():
        try:
            provider.reach(public_url, program.clock())
        except (SignInRefused, SecretUnusable) as error:
            yield str(error)
