"""The routes of the desk."""

from portal.desk import appeals, queue, send_back, several, step_record
from portal.desk.graduation import certificates, class_review, classes, one_certificate, review_again
from portal.desk.imports import batches, full_list, pages
from portal.desk.paper import entry, sheets

ROUTES = (
    *queue.ROUTES,
    *several.ROUTES,
    *step_record.ROUTES,
    *appeals.ROUTES,
    *send_back.ROUTES,
    *pages.ROUTES,
    *batches.ROUTES,
    *full_list.ROUTES,
    *sheets.ROUTES,
    *entry.ROUTES,
    *classes.ROUTES,
    *class_review.ROUTES,
    *certificates.ROUTES,
    *one_certificate.ROUTES,
    *review_again.ROUTES,
)
