"""Whether a provider says that it has asked for a second factor itself; then ours is not asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

from config.providers import Cas, Oidc


def by_oidc(claims: Mapping[str, Any], settings: Oidc) -> bool:
    """Say whether an ID token names, in `amr` or `acr`, what the settings take for a second factor."""
    methods = claims.get("amr")
    used = methods if isinstance(methods, list) else [methods]
    named = {method for method in used if isinstance(method, str)}
    return bool(named & set(settings.second_factor_amr)) or claims.get("acr") in settings.second_factor_acr


def by_cas(attributes: Mapping[str, Sequence[str]], settings: Cas) -> bool:
    """Say whether the attribute of the settings has one of the values that they take for a second factor."""
    return bool(set(attributes.get(settings.second_factor_attribute, ())) & set(settings.second_factor_values))
