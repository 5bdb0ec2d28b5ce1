"""The domain that a provider writes after a name, as in `2015150001@stu.example.edu`."""

from portal.auth.refusals import SignInCode, SignInRefused, printable


def split(name: str) -> tuple[str, str] | None:
    """Return the parts before and after the only @ of a name; None where there is none, or several."""
    own, at, domain = name.strip().partition("@")
    return (own, domain) if at and own and domain and "@" not in domain else None


def stripped(name: str, domain: str) -> str | None:
    """Return a name without this very domain, whatever its case; None for a name of any other, or of none."""
    parts = split(name)
    return parts[0] if parts is not None and parts[1].isascii() and parts[1].lower() == domain else None


def without_domain(method: str, name: str, domain: str) -> str:
    """Return a name without the domain of the setting; as it is where it has none, or the setting is empty.

    Raises SignInRefused for every other domain: the same number may be somebody else's there.
    """
    if not domain or "@" not in name:
        return name
    own = stripped(name, domain)
    if own is not None:
        return own
    # The provider knows them by a name that nobody has here, and the page says so.
    raise SignInRefused(
        method,
        SignInCode.UNKNOWN,
        f'the name is "{printable(name, 100)}", and strip_domain = "{domain}" in [auth.{method}] lets in names of that '
        "domain alone. Have the person sign in with their account there, or correct strip_domain.",
        printable(name, 100),
    )
