"""The list of certificates: its filter and its lines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from portal.access.reader_context import NONE
from portal.desk.context.desk_context import DeskContext
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from status_db.queries.certificates import CertificateFilter, CertificateSelection, ListedCertificate

SELECTION_LABELS: Mapping[CertificateSelection, str] = {
    CertificateSelection.WAITING: N_("待领取"),
    CertificateSelection.LEFT: N_("已领取"),
    CertificateSelection.REVOKED: N_("已作废"),
    CertificateSelection.ALL: N_("全部"),
}

#: How a certificate is collected.
COLLECTION_LABELS: Mapping[str, str] = {"self": N_("本人领取"), "agent": N_("代领"), "post": N_("邮寄")}


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab above the list."""

    word: str
    address: str
    current: bool


@dataclass(frozen=True, slots=True)
class CertificateLine:
    """One certificate."""

    id: int
    student: str
    name: str
    college: str
    class_name: str
    number: str
    kind: str
    issued: str
    issued_by: str
    waits: bool
    state: str
    tone: str
    mark: str
    left: str
    collector: str
    handed_by: str
    revoked: str
    revoked_by: str
    because: str
    address: str


def filter_of(asked: Mapping[str, str]) -> CertificateFilter:
    """Return the filter of an address or a form. Values that are not valid are ignored."""
    held, class_name = asked["held"], asked["class"]
    return CertificateFilter(
        held=CertificateSelection(held) if held in set(CertificateSelection) else CertificateSelection.WAITING,
        college=asked["college"] or None,
        class_name="" if class_name == NONE else class_name or None,
        text=asked["text"],
    )


def in_address(chosen: CertificateFilter) -> dict[str, str]:
    """Return the filter as address parameters."""
    return {
        "held": chosen.held.value,
        "college": chosen.college or "",
        "class_": NONE if chosen.class_name == "" else chosen.class_name or "",
        "text": chosen.text,
    }


def in_words(language: Language, chosen: CertificateFilter) -> str:
    """Return the filter in words."""
    own = [language.gettext(SELECTION_LABELS[chosen.held]), chosen.college or ""]
    own += [chosen.class_name or NONE] if chosen.class_name is not None else []
    own += [chosen.text] if chosen.text else []
    return "; ".join(part for part in own if part)


def held_of(listed: ListedCertificate) -> CertificateSelection:
    """Return whether a certificate waits, was collected or was revoked."""
    certificate = listed.certificate
    if certificate.revoked_at is not None:
        return CertificateSelection.REVOKED
    return CertificateSelection.LEFT if certificate.collected else CertificateSelection.WAITING


def left_at(listed: ListedCertificate) -> datetime | None:
    """Return when a certificate was collected. None if it was not."""
    certificate = listed.certificate
    return (certificate.collected_at or certificate.issued_at) if certificate.collected else None


def accounts_in(listed: Iterable[ListedCertificate]) -> set[str]:
    """Return the accounts that issued, handed over or revoked these certificates."""
    found = [one.certificate for one in listed]
    return {account for one in found for account in (one.issued_by, one.handed_over_by, one.revoked_by)}


def certificate_line(at: DeskContext, listed: ListedCertificate, names: Mapping[str, str]) -> CertificateLine:
    """Return a certificate as the list shows it. `names` are the names of accounts."""
    reader, certificate, held = at.reader, listed.certificate, held_of(listed)
    left = left_at(listed)
    state = COLLECTION_LABELS[certificate.collected] if held is CertificateSelection.LEFT else SELECTION_LABELS[held]
    return CertificateLine(
        id=certificate.id,
        student=certificate.student,
        name=listed.name,
        college=listed.college,
        class_name=listed.class_name,
        number=certificate.number,
        kind=certificate.kind,
        issued=reader.language.moment(certificate.issued_at, reader.now),
        issued_by=names.get(certificate.issued_by, certificate.issued_by),
        waits=held is CertificateSelection.WAITING and listed.may_issue,
        state=reader.language.gettext(state),
        tone={
            CertificateSelection.WAITING: "wait",
            CertificateSelection.LEFT: "good",
            CertificateSelection.REVOKED: "none",
        }[held],
        mark={CertificateSelection.WAITING: "…", CertificateSelection.LEFT: "✓", CertificateSelection.REVOKED: "–"}[
            held
        ],
        left=reader.language.moment(left, reader.now) if left else "",
        collector=certificate.collector,
        handed_by=names.get(certificate.handed_over_by, certificate.handed_over_by),
        revoked=reader.language.moment(certificate.revoked_at, reader.now) if certificate.revoked_at else "",
        revoked_by=names.get(certificate.revoked_by, certificate.revoked_by),
        because=certificate.revoked_because,
        address=at.address(f"/desk/certificates/{certificate.id}"),
    )
