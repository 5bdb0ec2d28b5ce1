"""What the readings of a JSON API's pages prove, and what is doubtful in them."""

from collections.abc import Mapping, Sequence

from connectors.http.pages.agreement import agree
from connectors.http.pages.reading import Reading
from connectors.http.records import ASKED_NUMBER
from connectors.http.rest_settings import Settings
from connectors.port import Cell, Proof, ProofKind
from foundation.translation import tr, tr_n

#: The most broken letters that are listed with a run; the others are counted.
_MOST_LISTED = 10


def proofs_of(
    readings: Sequence[Reading],
    rows: Sequence[tuple[Cell, ...]],
    settings: Settings,
    columns: Mapping[str, str],
    each_once: Sequence[str],
    *,
    by_tag: bool,
) -> tuple[Proof, ...]:
    """Return the proofs of readings; `each_once` has for each the proof that no page is missing, or an empty text.

    `rows` are those of all readings together. With `by_tag`, ETags have replaced the second reading.
    """
    reading = readings[-1]
    count, pages = len(reading.rows), tr_n("{number} page", "{number} pages", reading.pages)
    proofs = [
        Proof(ProofKind.LIMIT_NOT_HIT, tr("{count} rows of at most {limit}", count=count, limit=settings.limit)),
        Proof(ProofKind.COLUMNS_PRESENT, _columns_text(rows, settings, columns)),
    ]
    if not reading.broken:
        decoded = tr("{count} rows decoded, no replacement character", count=count)
        proofs.append(Proof(ProofKind.CHARSET_SANE, decoded))
    if all(each_once):
        last = tr("{pages}, {each_once}", pages=pages, each_once=each_once[-1])
        proofs.append(Proof(ProofKind.NO_PAGE_LOST, last))
    if reading.total is not None:
        agreed = tr("{pages}, {count} of {total} rows", pages=pages, count=count, total=reading.total)
        proofs.append(Proof(ProofKind.TOTAL_AGREES, agreed))
    if len(readings) > 1 and agree(reading.rows, readings[-2].rows):
        same = tr("{pages}, {count} rows, the same in both readings", pages=pages, count=count)
        if by_tag:
            same = tr(
                "{pages}, {count} rows, the same in both readings, by the ETag of each page", pages=pages, count=count
            )
        proofs.append(Proof(ProofKind.SECOND_PASS_AGREES, same))
    if reading.last is not None:
        end = tr("{pages}, up to page {last}, which is reported as the last", pages=pages, last=reading.last)
        proofs.append(Proof(ProofKind.END_REACHED, end))
    elif "end_of_pages" in settings.proofs:
        end = tr("{pages}, {count} rows up to the end of paging", pages=pages, count=count)
        proofs.append(Proof(ProofKind.END_REACHED, end))
    if "one_answer" in settings.proofs:
        end = tr("one answer, {count} rows, accepted as all about one student", count=count)
        proofs.append(Proof(ProofKind.END_REACHED, end))
    return tuple(proofs)


def _columns_text(rows: Sequence[tuple[Cell, ...]], settings: Settings, columns: Mapping[str, str]) -> str:
    if not rows:
        return tr("no record, so no column to check")
    names = [path for name, path in columns.items() if name not in settings.optional and path != ASKED_NUMBER]
    return tr("{names} in each of {rows} rows", names=tr(", ").join(names), rows=len(rows))


def warnings_of(readings: Sequence[Reading], unsettled: int) -> tuple[str, ...]:
    """Return what is doubtful in readings; `unsettled` is the number of students whose records differ in them."""
    warnings = list(broken_record_warnings(readings[-1].broken))
    if oldest := max(each.oldest for each in readings):
        warnings.append(tr("The answer is from a cache, {age:.0f} s old: it counts from that time on.", age=oldest))
    if unsettled:
        warnings.append(
            tr(
                "The data changed while the pages were read {readings} times; the records of {students} students "
                "differ between the readings. This answer releases none of them.",
                readings=len(readings),
                students=unsettled,
            )
        )
    return tuple(warnings)


def broken_record_warnings(places: Sequence[str]) -> tuple[str, ...]:
    """Return the first broken records, and the number of the others."""
    more = len(places) - _MOST_LISTED
    rest = (tr("{number} more records have letters that cannot be read.", number=more),) if more > 0 else ()
    return (*places[:_MOST_LISTED], *rest)
