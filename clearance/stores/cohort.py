"""The stores of one cohort: its ledger, its decisions, and its readers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from clearance.stores.shared import Stores

if TYPE_CHECKING:
    from status_db.accounts.authority import Authority
    from status_db.decisions.batches import Batches
    from status_db.decisions.certificates import CertificateRegister
    from status_db.decisions.class_review import ClassReviews
    from status_db.decisions.overrides import Overrides
    from status_db.decisions.reviews import Reviews
    from status_db.decisions.writer import DecisionWriter
    from status_db.ledger.chain import Ledger
    from status_db.marks.approvals import ApprovalVotes
    from status_db.marks.expected_changes import ExpectedChanges
    from status_db.marks.renumber import Renumbering
    from status_db.queries.certificates import CertificateReader
    from status_db.queries.classes import Classes


@dataclass(frozen=True)
class CohortStores(Stores):
    """The stores of one cohort, with those that all cohorts share."""

    cohort: str

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger, which seals every write. The students' pages never use it."""
        from status_db.ledger.chain import Ledger

        return Ledger(self.settings.status_db.ledger_key_file, self.cohort)

    @cached_property
    def authority(self) -> Authority | None:
        """The rights of authors; None for the command line, because its user on the server has the key."""
        from status_db.accounts.authority import Authority

        return Authority(self.accounts, self.cohort) if self.web is not None else None

    @cached_property
    def decision_writer(self) -> DecisionWriter:
        """The writer of every decision."""
        from status_db.decisions.writer import DecisionWriter

        return DecisionWriter(self.writing, self.settings, self.cohort, self.ledger, self.authority)

    @cached_property
    def overrides(self) -> Overrides:
        """Operators' decisions on single steps."""
        from status_db.decisions.overrides import Overrides

        return Overrides(self.decision_writer)

    @cached_property
    def batches(self) -> Batches:
        """Operators' decisions from a sheet."""
        from status_db.decisions.batches import Batches

        return Batches(self.decision_writer)

    @cached_property
    def reviews(self) -> Reviews:
        """Reviewers' decisions."""
        from status_db.decisions.reviews import Reviews

        return Reviews(self.decision_writer)

    @cached_property
    def class_reviews(self) -> ClassReviews:
        """Reviewers' decisions on a class."""
        from status_db.decisions.class_review import ClassReviews

        return ClassReviews(self.decision_writer)

    @cached_property
    def register(self) -> CertificateRegister:
        """Certificates: issued, handed over and revoked."""
        from status_db.decisions.certificates import CertificateRegister

        return CertificateRegister(self.decision_writer)

    @cached_property
    def classes(self) -> Classes:
        """The progress of classes."""
        from status_db.queries.classes import Classes

        return Classes(self.writing, self.settings, self.cohort)

    @cached_property
    def certificates(self) -> CertificateReader:
        """The reader of certificates."""
        from status_db.queries.certificates import CertificateReader

        return CertificateReader(self.writing, self.cohort)

    @cached_property
    def votes(self) -> ApprovalVotes:
        """The votes on suspended runs."""
        from status_db.marks.approvals import ApprovalVotes

        return ApprovalVotes(self.writing, self.cohort, self.ledger)

    @cached_property
    def expected_changes(self) -> ExpectedChanges:
        """Expected changes that offices announce."""
        from status_db.marks.expected_changes import ExpectedChanges

        return ExpectedChanges(self.writing, self.cohort, self.ledger)

    @cached_property
    def renumbering(self) -> Renumbering:
        """The correction of student numbers."""
        from status_db.marks.renumber import Renumbering

        return Renumbering(self.writing, self.desk_store, self.cohort, self.ledger)
