"""Koha's answers as its REST API gives them, checked and brought into the form that is read."""

from decimal import Decimal
from typing import Any

from connectors.port import SourceGarbled, SourceUnavailable, table_of

#: Koha reckons a balance in floating point; half a fen is no difference.
_CLOSE = Decimal("0.005")


def with_numbers(patrons: Any, attribute: str, field: str, where: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Give each patron the number that stands in an extended attribute; none where several do: nobody can tell.

    A patron without the attribute has the number of the `field`, where one is named.
    """
    if not isinstance(patrons, list):
        return patrons
    named = []
    for patron in patrons:
        attributes = patron.get("extended_attributes") if isinstance(patron, dict) else None
        if not isinstance(attributes, list):
            raise SourceGarbled(
                f"{where} gives no extended attributes",
                "Upgrade Koha, or name the field that holds the number as number.",
            )
        values = {a.get("value") for a in attributes if a.get("type") == attribute and a.get("value")}
        otherwise = patron.get(field) if field and not values else None
        named.append({**patron, "number": values.pop() if len(values) == 1 else otherwise})
    return named


def with_titles(items: Any, source: str, where: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return items as they are. Raises SourceGarbled where Koha does not embed their titles."""
    if isinstance(items, list) and any(isinstance(item, dict) and "biblio" not in item for item in items):
        raise SourceGarbled(
            f"{where} gives items without biblio, so loans have no titles",
            "This Koha is older than that part of its API: set titles = false in "
            f"{table_of(source)}, or have the library update it.",
        )
    return items


def open_lines(account: Any, source: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return an account's open lines, credits negative.

    Raises SourceGarbled where they are missing, and SourceUnavailable unless they make up its balance.
    """
    try:
        debits, refunds = account["outstanding_debits"]["lines"], account["outstanding_credits"]["lines"]
        lines = [
            *(line | {"amount_outstanding": Decimal(line["amount_outstanding"])} for line in debits),
            *(line | {"amount_outstanding": -abs(Decimal(line["amount_outstanding"]))} for line in refunds),
        ]
        balance = Decimal(account["balance"])
    except (KeyError, TypeError, ArithmeticError):
        raise SourceGarbled(
            f"{source}: an account has no balance, outstanding_debits and outstanding_credits",
            "Look whether url is Koha's staff interface, and which release it runs.",
        ) from None
    owed = sum((line["amount_outstanding"] for line in lines), Decimal(0))
    if abs(owed - balance) > _CLOSE:
        # Koha reads them one after the other: somebody may have paid in between, and it is asked again.
        raise SourceUnavailable(
            f"{source}: an account tells a balance of {balance} and lines of {owed}",
            "The next slot tries again; if it stays so, have the library look at its accounts.",
        )
    return {"lines": lines}
