"""The domain that a provider writes behind a name, as in `2015150001@stu.example.edu`."""

from portal.auth.refusals import SignInRefused, Why, printable


def split(name: str) -> tuple[str, str] | None:
    """Return what stands before and behind the one @ of a name; None where there is no such thing."""
    own, at, domain = name.strip().partition("@")
    return (own, domain) if at and own and domain and "@" not in domain else None


def without_domain(method: str, name: str, domain: str) -> str:
    """Return a name without this very domain, whatever its case; a name without any, or no such setting, as it is.

    Raises SignInRefused for every other domain: the same number may be somebody else's there.
    """
    if not domain or "@" not in name:
        return name
    parts = split(name)
    if parts is not None and parts[1].isascii() and parts[1].lower() == domain:
        return parts[0]
    # The provider knows them, by a name that is nobody's here: that is what the page says.
    raise SignInRefused(
        method,
        Why.UNKNOWN,
        f'the name is "{printable(name, 100)}", and strip_domain = "{domain}" in [auth.{method}] lets in names of that '
        "domain alone. Have the person sign in with their account there; or correct strip_domain.",
        printable(name, 100),
    )
