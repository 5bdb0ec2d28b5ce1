"""Every page of the desk."""

from portal.desk import (
    batches,
    certificates,
    classes,
    full_list,
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
    *full_list.ROUTES,
    *paper.ROUTES,
    *paper_entry.ROUTES,
    *classes.ROUTES,
    *morning.ROUTES,
    *certificates.ROUTES,
    *look_again.ROUTES,
)
