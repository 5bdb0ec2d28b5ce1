"""Fields of forms as types: what a page reads of what a browser, or anybody, has sent."""

from typing import Annotated, Literal

import pytest
from pydantic import Field
from starlette.exceptions import HTTPException

from portal.access.form_fields import Form, Hidden, Line, Number, OrNone, Text, Ticked, Words, at_most
from portal.access.forms import form_of
from status_db.model import Verdict


class Sample(Form):
    """One field of each type."""

    text: Annotated[Text, at_most(3)] = ""
    line: Annotated[Line, at_most(3)] = ""
    words: Words = ""
    password: Hidden = ""
    ticked: Ticked = False
    number: Number = None
    verdict: Annotated[Verdict | None, OrNone] = None
    several: tuple[str, ...] = ()
    class_name: Line = Field("", alias="class")
    strict: Literal["", "a"] = ""


def read(**sent: str | list[str]) -> Sample:
    return form_of({name: [value] if isinstance(value, str) else value for name, value in sent.items()}, Sample)


def test_of_a_field_sent_several_times_the_last_counts_unless_the_page_takes_all() -> None:
    form = read(line=["a", "b"], several=["a", "b"])
    assert (form.line, form.several) == ("b", ("a", "b"))


def test_a_field_is_read_by_the_name_that_the_page_gives_it() -> None:
    assert form_of({"class": ["x"]}, Sample).class_name == "x"
    assert form_of({"class_name": ["x"]}, Sample).class_name == "", "no page sends this"


def test_lines_end_alike_and_blanks_around_a_text_are_left_out() -> None:
    form = read(text=" a\r\nb ", line=" a ", words=" a\r\nb ")
    assert (form.text, form.line, form.words) == ("a\nb", "a", " a\nb ")


def test_a_text_that_is_too_long_is_named_and_kept_whole() -> None:
    form = read(text=" 1234 ", line="123", number="7")
    assert form.too_long == {"text"}
    assert (form.text, form.line, form.number) == ("1234", "123", 7), "the page shows what was typed again"
    assert not read(text=" 123 ").too_long, "blanks around it do not count"


def test_nobody_states_from_outside_that_a_text_is_too_long() -> None:
    assert not read(too_long="x", _too_long="x").too_long


@pytest.mark.parametrize("value", ["", "0", "on", "true", "2", " 1"])
def test_only_the_value_of_our_checkboxes_ticks(value: str) -> None:
    assert read(ticked="1").ticked is True
    assert read(ticked=value).ticked is False


@pytest.mark.parametrize("value", ["", "-1", "1.0", "१२", "9" * 19, " 1"])
def test_what_is_no_number_is_none(value: str) -> None:
    assert read(number="12").number == 12
    assert read(number=value).number is None


def test_what_the_page_does_not_offer_is_none() -> None:
    assert read(verdict="cleared").verdict is Verdict.CLEARED
    assert read(verdict="perhaps").verdict is None


def test_a_value_that_no_page_sends_is_refused_also_beside_a_text_that_is_too_long() -> None:
    for sent in ({"strict": "b"}, {"strict": "b", "text": "1234"}):
        with pytest.raises(HTTPException) as refused:
            read(**sent)
        assert refused.value.status_code == 400


def test_a_password_is_in_no_representation_of_the_form() -> None:
    assert "correct horse" not in repr(read(password="correct horse", text="1234"))
