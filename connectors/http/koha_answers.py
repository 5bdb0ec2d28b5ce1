"""Koha's REST answers, checked and converted into the form that is read."""

from decimal import Decimal
from typing import Any

from connectors.port import SourceGarbled, SourceUnavailable, table_of
from foundation.translation import tr

#: Koha calculates a balance in floating point; half a fen is not a difference.
_CLOSE = Decimal("0.005")


def with_numbers(patrons: Any, attribute: str, field: str, where: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return the patrons with the number from an extended attribute; without a number where several are there.

    A patron without the attribute has the number in `field`, where one is named.
    """
    if not isinstance(patrons, list):
        return patrons
    named = []
    for patron in patrons:
        attributes = patron.get("extended_attributes") if isinstance(patron, dict) else None
        if not isinstance(attributes, list):
            raise SourceGarbled(
                tr("{where} returns no extended attributes", where=where),
                tr("Upgrade Koha, or set number to the field that has the number."),
            )
        values = {a.get("value") for a in attributes if a.get("type") == attribute and a.get("value")}
        otherwise = patron.get(field) if field and not values else None
        named.append({**patron, "number": values.pop() if len(values) == 1 else otherwise})
    return named


def with_titles(items: Any, source: str, where: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return items as they are. Raises SourceGarbled where Koha does not embed their titles."""
    if isinstance(items, list) and any(isinstance(item, dict) and "biblio" not in item for item in items):
        raise SourceGarbled(
            tr("{where} returns items without biblio, so loans have no titles", where=where),
            tr(
                "This release of Koha does not support that part of its API. Set titles = false in {table}, "
                "or have the library update Koha.",
                table=table_of(source),
            ),
        )
    return items


def open_lines(account: Any, source: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return an account's open lines, credits negative.

    Raises SourceGarbled where they are missing, and SourceUnavailable where their sum is not the balance.
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
            tr("{source}: an account has no balance, outstanding_debits and outstanding_credits", source=source),
            tr("Check that url is Koha's staff interface, and which release it runs."),
        ) from None
    owed = sum((line["amount_outstanding"] for line in lines), Decimal(0))
    if abs(owed - balance) > _CLOSE:
        # Koha reads them one after the other: a payment in between changes the balance, so the next run asks again.
        raise SourceUnavailable(
            tr(
                "{source}: an account has a balance of {balance}, but its lines add up to {owed}",
                source=source,
                balance=balance,
                owed=owed,
            ),
            tr("The next run tries again. If this repeats, have the library check its accounts."),
        )
    return {"lines": lines}
