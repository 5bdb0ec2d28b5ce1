"""The domain that a provider adds to a name, as in `2015150001@stu.example.edu`."""

from foundation.translation import tr
from portal.auth.refusals import SignInCode, SignInRefused, printable


def split(name: str) -> tuple[str, str] | None:
    """Return the parts before and after the only @ of a name; None if there is no @, or more than one."""
    own, at, domain = name.strip().partition("@")
    return (own, domain) if at and own and domain and "@" not in domain else None


def stripped(name: str, domain: str) -> str | None:
    """Return a name without this domain, ignoring case; None if the name has another domain, or none."""
    parts = split(name)
    return parts[0] if parts is not None and parts[1].isascii() and parts[1].lower() == domain else None


def without_domain(method: str, name: str, domain: str) -> str:
    """Return a name without the domain in the setting; unchanged if it has no domain, or the setting is empty.

    Raises SignInRefused for every other domain: the same number can be another person's there.
    """
    if not domain or "@" not in name:
        return name
    own = stripped(name, domain)
    if own is not None:
        return own
    # No account here has this name. The page shows that.
    raise SignInRefused(
        method,
        SignInCode.UNKNOWN,
        tr(
            'the name is "{name}", but strip_domain = "{domain}" in [auth.{method}] admits only names of '
            "that domain. Have the person sign in with their account of that domain, or correct "
            "strip_domain.",
            name=printable(name, 100),
            domain=domain,
            method=method,
        ),
        printable(name, 100),
    )
