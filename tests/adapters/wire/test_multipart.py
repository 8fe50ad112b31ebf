import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire.multipart import FormPart, read_form, write_form
from domain.relay.call import InvalidRequestError

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters='"\\%'), min_size=1)


@given(
    st.lists(
        st.builds(
            FormPart, name=names, content=st.binary(max_size=60), filename=names, media_type=st.just("image/png")
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read_back(parts: list[FormPart]) -> None:
    body, content_type = write_form(parts, "seed")

    assert read_form(body, content_type) == tuple(parts)


def test_a_file_that_holds_the_boundary_stays_one_file() -> None:
    parts = (FormPart(name="file", content=b"\r\n--tallygate-seed--\r\n", filename="a"),)
    body, content_type = write_form(parts, "seed")

    assert read_form(body, content_type) == parts


def test_quoted_boundaries_and_bare_fields_are_read() -> None:
    body = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n'

    assert read_form(body, 'multipart/form-data; boundary="b"') == (FormPart(name="model", content=b"m"),)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{}", "application/json"),
        (b"", "multipart/form-data"),
        (b"--b\r\n", "multipart/form-data; boundary=b"),
        (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx', "multipart/form-data; boundary=b"),
        (b"--b\r\nX: y\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b"),
        (b"\r\n--b" * 400, "multipart/form-data; boundary=b"),
    ],
)
def test_what_is_no_whole_form_is_refused(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_form(body, content_type)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise_anything_else(body: bytes) -> None:
    try:
        read_form(b"--b\r\n" + body + b"\r\n--b--", "multipart/form-data; boundary=b")
    except InvalidRequestError:
        return
