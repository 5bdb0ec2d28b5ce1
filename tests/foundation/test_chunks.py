"""Chunks: every value once, in order, never too many at a time."""

from hypothesis import given
from hypothesis import strategies as st

from foundation.chunks import chunked


@given(st.lists(st.integers()), st.integers(min_value=1, max_value=9))
def test_every_value_comes_once_in_order_and_never_too_many_at_a_time(values: list[int], most: int) -> None:
    chunks = list(chunked(values, most))
    assert [value for chunk in chunks for value in chunk] == values
    assert all(1 <= len(chunk) <= most for chunk in chunks)
    # Only the last is not full.
    assert all(len(chunk) == most for chunk in chunks[:-1])
