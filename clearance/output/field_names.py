"""The names of a source's fields, as `columns` in the settings maps them, in the language of the process."""

from foundation.translation import N_, language, tr

_NAMES = {
    "student": N_("student number"),
    "name": N_("student's name"),
    "title": N_("title of the item"),
    "amount": N_("amount due"),
    "paid": N_("amount paid"),
    "waived": N_("amount waived"),
    "refunded": N_("amount refunded"),
    "due": N_("due date"),
    "reference": N_("reference of the item"),
    "status": N_("status word"),
    "kind": N_("kind of item"),
    "branch": N_("branch of the office"),
    "level": N_("level of study"),
    "category": N_("category of student"),
    "college": N_("college of the student"),
    "class": N_("class of the student"),
    "campus": N_("campus of the student"),
    "building": N_("building of the student"),
    "card": N_("card number"),
}


def field_name(field: str) -> str:
    """Return a field of the settings, in another language than English with its meaning."""
    if language() == "en" or field not in _NAMES:
        return field
    return tr("{meaning} ({field})", meaning=tr(_NAMES[field]), field=field)
