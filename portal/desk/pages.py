"""Every page of the desk."""

from portal.desk import (
    batches,
    certificates,
    classes,
    imports,
    look_again,
    morning,
    objections,
    paper,
    paper_entry,
    queue,
    record,
    sending_back,
)

ROUTES = (
    *queue.ROUTES,
    *record.ROUTES,
    *objections.ROUTES,
    *sending_back.ROUTES,
    *imports.ROUTES,
    *batches.ROUTES,
    *paper.ROUTES,
    *paper_entry.ROUTES,
    *classes.ROUTES,
    *morning.ROUTES,
    *certificates.ROUTES,
    *look_again.ROUTES,
)
