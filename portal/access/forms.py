"""Forms: bound to the browser's cookie, limited in size, and accepted only from this portal's own pages."""

import hmac
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar, get_origin
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from portal.access.form_fields import TOO_LONG, Form
from portal.access.multipart import FormBroken, Parts, UploadedFile
from portal.auth.sessions import form_token, new_token
from portal.page.context import Context
from portal.web import bounds

FormT = TypeVar("FormT", bound=Form)


def shown(
    context: Context,
    template: str,
    *,
    failed: bool | str = False,
    wait: timedelta = timedelta(0),
    **values: object,
) -> Response:
    """Render a page with a form: for the first time, after a failure, or when the next try must wait.

    A form is bound to a cookie, so a visitor without one gets one that gives no access.
    """
    token, seconds = context.services.cookie.read(context.request) or new_token(), math.ceil(wait.total_seconds())
    status = 429 if seconds else 401 if failed else 200
    shown = {"failed": failed, "wait": seconds, "form_token": form_token(token)}
    response = context.page(template, status=status, **shown, **values)
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    context.services.cookie.set(response, token)
    return response


async def read_form(context: Context, model: type[FormT]) -> FormT:
    """Return the form that was sent, as this model. If a field was sent several times, the last value counts.

    Raises HTTPException: 413 for a body over the limit, 415 for a body that is not a form, 403 for a form from another
    site or without the token of this browser's cookie, 400 for values that no page of ours sends.
    """
    return form_of(await read_fields(context, model.longest, model.most), model)


def form_of(fields: Mapping[str, Sequence[str]], model: type[FormT]) -> FormT:
    """Return the fields as this model. Raises HTTPException, 400."""
    sent = {
        name: values if get_origin(known.annotation) is tuple else values[-1]
        for name, known in model.model_fields.items()
        if (values := fields.get(known.alias or name))
    }
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        long = {str(e["loc"][0]): e["ctx"]["text"] for e in error.errors() if e["type"] == TOO_LONG}
        if len(long) < error.error_count():
            raise HTTPException(400) from None
    # A page shows a text that is too long again, so that nothing is lost.
    form = model.model_validate(sent | dict.fromkeys(long, "")).model_copy(update=long)
    form.keep_long(frozenset(long))
    return form


async def read_fields(context: Context, longest: int, most: int) -> dict[str, list[str]]:
    """Return the fields of the form that was sent. Raises HTTPException as `read_form` does."""
    _refuse_other_sites(context)
    request = context.request
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/x-www-form-urlencoded":
        raise HTTPException(415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > longest:
            raise HTTPException(413)
    try:
        text = body.decode("ascii")
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=most, errors="strict")
    except ValueError:
        raise HTTPException(400) from None
    refuse_nul(text for name, values in fields.items() for text in (name, *values))
    _refuse_other_browsers(fields.get("form_token", [""])[-1], context.token)
    return fields


async def read_form_with_file(
    context: Context, model: type[FormT], *, longest: int
) -> tuple[FormT, UploadedFile | None]:
    """Return a form and the file that may come with it; `longest` is the file's limit in bytes.

    Bytes beyond the limit are not read. Raises as `read_form` does, and 400 for a body that is cut off.
    """
    request = context.request
    if request.headers.get("content-type", "").split(";")[0].strip() != "multipart/form-data":
        # A browser that can send no file sends the fields alone.
        return await read_form(context, model), None
    _refuse_other_sites(context)
    most, length = longest + model.longest, 0
    declared = request.headers.get("content-length", "")
    if declared and ((declared_length := bounds.number(declared)) is None or declared_length > most):
        raise HTTPException(413)
    try:
        parts = Parts(request.headers["content-type"])
        async for piece in request.stream():
            length += len(piece)
            if length > most:
                raise HTTPException(413)
            parts.take(piece)
        file = parts.file()
    except FormBroken:
        raise HTTPException(400) from None
    refuse_nul(text for pair in parts.fields.items() for text in pair)
    _refuse_other_browsers(parts.fields.get("form_token", ""), context.token)
    return form_of({name: [value] for name, value in parts.fields.items()}, model), file


def refuse_nul(values: Iterable[str]) -> None:
    """Refuse the NUL character: people do not type it, and not every database stores it. Raises HTTPException, 400."""
    if any("\0" in value for value in values):
        raise HTTPException(400)


def _refuse_other_browsers(sent: str, token: str) -> None:
    if not token or not hmac.compare_digest(sent.encode(), form_token(token).encode()):
        raise HTTPException(403)


def _refuse_other_sites(context: Context) -> None:
    # A browser sends a form's origin in one of these two headers. A client that sends neither is not a browser; the
    # form's token protects against it.
    site = context.request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        raise HTTPException(403)
    origin = context.request.headers.get("origin")
    own = urlsplit(context.settings.portal.public_url or str(context.request.base_url))
    if origin is not None and site is None and origin != f"{own.scheme}://{own.netloc}":
        raise HTTPException(403)
