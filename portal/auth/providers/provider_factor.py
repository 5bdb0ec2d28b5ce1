"""Whether a provider has asked for a second factor itself. If so, the portal does not ask for its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from config.tables.providers import Cas, Oidc


def by_oidc(claims: Mapping[str, Any], settings: Oidc) -> bool:
    """Return whether `amr` or `acr` of an ID token has a value that the settings accept as a second factor."""
    methods = claims.get("amr")
    used = methods if isinstance(methods, list) else [methods]
    named = {method for method in used if isinstance(method, str)}
    return bool(named & set(settings.second_factor_amr)) or claims.get("acr") in settings.second_factor_acr


def by_cas(attributes: Mapping[str, Sequence[str]], settings: Cas) -> bool:
    """Return whether the configured attribute has a value that the settings accept as a second factor."""
    return bool(set(attributes.get(settings.second_factor_attribute, ())) & set(settings.second_factor_values))
