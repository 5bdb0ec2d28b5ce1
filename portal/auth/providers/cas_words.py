"""Texts about a CAS server's answers: what they are instead of the protocol's XML, and the fix for each error code."""

from foundation.translation import tr


def other_than_xml(body: bytes) -> str:
    """Return what an answer is that is not the protocol's XML; empty when it may be XML."""
    begins = body[:20].lower()
    if not begins:
        return tr("empty")
    known = {
        b"<!doctype html": tr("a web page"),
        b"<html": tr("a web page"),
        b"{": "JSON",
        b"yes": tr("a plain text answer of CAS 1.0"),
        b"no": tr("a plain text answer of CAS 1.0"),
    }
    return next((what for start, what in known.items() if begins.startswith(start)), "")


def advice(code: str, service: str) -> str:
    """Return the fix for one of the protocol's error codes."""
    unregistered = tr(
        "Register the service {service} there, with anything after a ?, and compare public_url in [portal].",
        service=service,
    )
    known = {
        "INVALID_TICKET": tr(
            "A ticket is valid once and usually for 10 seconds: sign in again. If the error persists, check that the "
            "nodes of the CAS server share their tickets, and correct url and validation in [auth.cas]."
        ),
        "INVALID_SERVICE": unregistered,
        "UNAUTHORIZED_SERVICE": unregistered,
        "UNAUTHORIZED_SERVICE_PROXY": tr(
            "Proxies are not allowed to sign people in at this service. Allow them in its registration there."
        ),
        "INTERNAL_ERROR": tr("Check the CAS server's own log."),
    }
    other = tr("Check the CAS server's own log, and the registration of the service {service} there.", service=service)
    return known.get(code, other)


def not_one_value(address: str, attribute: str, count: int, person: str) -> str:
    """Return that a released attribute is not a single text, with the fix."""
    values = {"address": address, "attribute": attribute, "count": count, "person": person}
    if count > 1:
        return tr(
            '{address} released {count} values of the attribute "{attribute}" for {person}. Have the CAS server '
            "release it to this service, once for each person (Apereo CAS: with /p3/serviceValidate), or set "
            "`attribute` in [auth.cas] to the exact name of another one.",
            **values,
        )
    return tr(
        '{address} released an attribute "{attribute}" that is empty or not a single text for {person}. Have the CAS '
        "server release it to this service, once for each person (Apereo CAS: with /p3/serviceValidate), or set "
        "`attribute` in [auth.cas] to the exact name of another one.",
        **values,
    )


def no_attribute(address: str, attribute: str, there: str, person: str) -> str:
    """Return that an attribute was not released, with those that were and the fix."""
    return tr(
        '{address} released no attribute "{attribute}" (it released: {there}) for {person}. Have the CAS server '
        "release it to this service, once for each person (Apereo CAS: with /p3/serviceValidate), or set "
        "`attribute` in [auth.cas] to the exact name of another one.",
        address=address,
        attribute=attribute,
        there=there,
        person=person,
    )
