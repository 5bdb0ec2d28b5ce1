"""Library systems that many universities run, recognised by their own tables: Koha, 汇文 Libsys, 图创 Interlib."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from clearance.setup.proposal import Proposal
from clearance.setup.recognise.masks import masked
from clearance.setup.recognise.tables import FoundDatabase, FoundTable, Row
from foundation.translation import tr
from status_db.model import normalise_number


def recognised(database: FoundDatabase, url: str, roster: AbstractSet[str] = frozenset()) -> list[Proposal]:
    """Return the sources that a known library system offers; none where it is not one.

    `roster` has the students' numbers, where they are known: they show which of Koha's columns has them.
    """
    for system in (_koha, _huiwen, _interlib):
        if proposals := system(database, url, roster):
            return proposals
    return []


_FINE = {"obligation": "fine", "every": "15 min"}
_LOAN = {"obligation": "loan", "every": "15 min"}


def _koha(database: FoundDatabase, url: str, roster: AbstractSet[str]) -> list[Proposal]:
    issues, borrowers = database.table("issues"), database.table("borrowers")
    if issues is None or borrowers is None or not issues.has("borrowernumber", "itemnumber", "date_due"):
        return []
    number, doubts = _koha_number(borrowers, database.table("borrower_attributes"), roster)
    own: dict[str, object] = {"connector": "koha", "url": url}
    row = _first_with(borrowers.rows, "cardnumber")
    sample = masked({"student": row["cardnumber"]}) if row else None
    proposals = [
        Proposal(
            tr("Koha's loans, from its tables issues, borrowers, items and biblio."),
            "loans",
            "library",
            {**own, "asks": "loans", **number},
            means="items",
            more=_LOAN,
            doubts=doubts,
            sample=sample,
        )
    ]
    accounts = database.table("accountlines")
    if accounts is not None and accounts.has("amountoutstanding"):
        proposals.append(
            Proposal(
                tr("Koha's fines, from its table accountlines."),
                "fines",
                "library",
                {**own, "asks": "fines", **number},
                means="balance",
                more={**_FINE, "item_title": "滞纳金"},
                doubts=doubts,
                sample=sample,
            )
        )
    return proposals


def _koha_number(
    borrowers: FoundTable, attributes: FoundTable | None, roster: AbstractSet[str]
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the keys that name the student number, and what to check about them."""
    hits: dict[tuple[str, str], int] = {}
    for column in ("cardnumber", "userid", "sort1", "sort2"):
        hits["number", column] = _hits(borrowers.rows, column, roster)
    if attributes is not None:
        for row in attributes.rows:
            if normalise_number(row.get("attribute")) in roster:
                key = "attribute", str(row.get("code"))
                hits[key] = hits.get(key, 0) + 1
    best, count = max(hits.items(), key=lambda each: each[1])
    if not count:
        why = tr(
            "The student number is taken from cardnumber, because no reader that was read is on the roster. If it is "
            'elsewhere, set number = "userid", or attribute to the code of the attribute.'
        )
        return {}, (why,)
    return ({} if best == ("number", "cardnumber") else {best[0]: best[1]}), ()


def _hits(rows: Sequence[Row], column: str, roster: AbstractSet[str]) -> int:
    return sum(normalise_number(row.get(column)) in roster for row in rows if row.get(column) not in (None, ""))


def _first_with(rows: Sequence[Row], column: str) -> Row | None:
    return next((row for row in rows if row.get(column) not in (None, "")), None)


def _huiwen(database: FoundDatabase, url: str, _roster: AbstractSet[str]) -> list[Proposal]:
    lent, cards = database.table("LEND_LST", "VLEND_ALL"), database.table("READER_CERT")
    if lent is None or cards is None:
        return []
    reader = next((name for name in ("CERT_ID_F", "CERT_ID") if lent.has(name) and cards.has(name)), "")
    copy_column = lent.first_of("PROP_NO_F", "PROP_NO")
    names: dict[str, object] = {"owner": lent.schema.upper()} if lent.schema else {}
    names |= {"lent": lent.name.upper()} if lent.folded != "lend_lst" else {}
    names |= {"reader": reader.upper()} if reader and reader.upper() != "CERT_ID_F" else {}
    names |= {"copy_column": copy_column.upper()} if copy_column.upper() not in ("", "PROP_NO_F") else {}
    own: dict[str, object] = {"connector": "huiwen", "url": url}
    doubts = [
        *_of_oracle(database),
        tr(
            "Names of columns differ between releases of this system. If the check names a missing column, set the "
            "key for it; see docs/connectors/huiwen.md."
        ),
    ]
    if not reader:
        doubts.append(tr("LEND_LST and READER_CERT share no known column for the reader: set reader to its name."))
    proposals = [
        Proposal(
            tr("Loans of 汇文 Libsys, from {tables}.", tables=f"{lent.name}, {cards.name}"),
            "loans",
            "library",
            {**own, "asks": "loans", **names},
            means="items",
            more=_LOAN,
            doubts=tuple(doubts),
        )
    ]
    if cards.has("DEBT"):
        debts = {key: value for key, value in names.items() if key in ("owner", "reader")}
        proposals.append(
            Proposal(
                tr("Debts of 汇文 Libsys, from {tables}.", tables=cards.name),
                "fines",
                "library",
                {**own, "asks": "debts", **debts},
                means="balance",
                more={**_FINE, "item_title": "欠款"},
                doubts=tuple(doubts),
            )
        )
    return proposals


def _interlib(database: FoundDatabase, url: str, _roster: AbstractSet[str]) -> list[Proposal]:
    readers = next((t for t in database.tables if t.has("RDID", "WORKCARDNO")), None)
    if readers is None:
        return []
    names: dict[str, object] = {"owner": readers.schema.upper()} if readers.schema else {}
    names |= {"readers": readers.name.upper()} if readers.folded != "reader" else {}
    own: dict[str, object] = {"connector": "interlib_views", "url": url}
    guess = tr(
        "The names of this system's tables for loans and debts are not published: compare them with the library, and "
        "correct them here; see docs/connectors/interlib_views.md."
    )
    doubts = (*_of_oracle(database), guess)
    lent = next((t for t in database.tables if t.has("RDID", "BARCODE") and t.first_of(*_DUE)), None)
    proposals: list[Proposal] = []
    if lent is not None:
        due = lent.first_of(*_DUE).upper()
        keys = {"loans": lent.name.upper()} | ({"due": due} if due != "RETURNDATE" else {})
        proposals.append(
            Proposal(
                tr("Loans of 图创 Interlib, from {tables}.", tables=f"{readers.name}, {lent.name}"),
                "loans",
                "library",
                {**own, "asks": "loans", **names, **keys},
                means="items",
                more=_LOAN,
                doubts=doubts,
            )
        )
    owed = next((t for t in database.tables if t.has("RDID") and t.first_of(*_MONEY) and t is not readers), None)
    if owed is not None:
        money = owed.first_of(*_MONEY).upper()
        keys = {"debts": owed.name.upper()} | ({"amount": money} if money != "MONEY" else {})
        proposals.append(
            Proposal(
                tr("Debts of 图创 Interlib, from {tables}.", tables=f"{readers.name}, {owed.name}"),
                "fines",
                "library",
                {**own, "asks": "debts", **names, **keys},
                means="balance",
                more={**_FINE, "item_title": "欠款"},
                doubts=doubts,
            )
        )
    return proposals


_DUE = ("RETURNDATE", "RETUDATE", "DUEDATE", "DUE")
_MONEY = ("MONEY", "AMOUNT", "DEBT")


def _of_oracle(database: FoundDatabase) -> tuple[str, ...]:
    if database.kind == "oracle":
        return ()
    return (
        tr(
            "This connector writes its queries for Oracle, and this database is {kind}: if the check fails, use the "
            'connector "sql" with a view of the library.',
            kind=database.kind,
        ),
    )
