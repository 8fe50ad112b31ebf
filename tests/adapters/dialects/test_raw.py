"""Requests that are passed on as they are: what goes on, and what must not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dialects.raw import DIALECT
from adapters.surfaces.raw import RawSurface
from domain.relay.call import Call, InvalidRequestError, Method
from domain.relay.dialect import Frame
from tests.support.dialects import target


def call(path: str, *, method: Method = "POST", body: bytes = b"{}", headers: dict[str, str] | None = None) -> Call:
    return Call(surface="raw", model="m", path=path, method=method, body=body, headers=headers or {})


def test_a_request_goes_below_the_channels_address_with_its_key_as_it_is() -> None:
    where = target("m", base_url="https://vendor.test/v2", key="Token abc")

    request = DIALECT.encode_native(call("/search%2Fall?q=a%20b&q=c", headers={"accept": "text/plain"}), where)

    assert (request.method, request.url) == ("POST", "https://vendor.test/v2/search%2Fall?q=a%20b&q=c")
    assert request.headers == {
        "accept": "text/plain",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "Authorization": "Token abc",
    }
    assert request.body == b"{}"


def test_the_key_may_go_in_a_header_of_the_vendors() -> None:
    where = target("m", key="abc", options={"key_header": "X-Auth"})

    headers = DIALECT.encode_native(call("/", method="GET", body=b""), where).headers

    assert headers["X-Auth"] == "abc"
    assert "Authorization" not in headers
    assert "Content-Type" not in headers


@pytest.mark.parametrize(
    "path", ["/../admin", "/a/%2e%2e/admin", "/a/..", "/./x", "/a/%2E./x", "/..%5cadmin", "/a\\..\\b", "/%5C%5Chost"]
)
def test_a_path_that_leads_out_of_the_channels_address_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequestError):
        DIALECT.encode_native(call(path), target("m"))


@given(st.text(alphabet="/.%2eE5cab?=&@:#\\", max_size=20))
def test_no_path_changes_the_host(rest: str) -> None:
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        url = DIALECT.encode_native(call("/" + rest), target("m", base_url="https://vendor.test/v2")).url
    except InvalidRequestError:
        return
    assert urlsplit(url).netloc == "vendor.test"
    assert url.startswith("https://vendor.test/v2/")


def test_credentials_and_what_belongs_to_one_hop_stay_here() -> None:
    names = (
        b"accept authorization x-api-key api-key x-goog-api-key cookie proxy-authorization connection host"
        b" x-forwarded-for x-tallygate-request-id x-stainless-os cf-connecting-ip x-vendor-option content-type"
    ).split()

    surface = RawSurface("GET", "/x", names)

    assert surface.headers == {"accept", "x-vendor-option"}


@given(st.binary(max_size=100))
def test_no_answer_upsets_it(data: bytes) -> None:
    assert DIALECT.rewrite_body(data, call("/"), "m") == data
    assert DIALECT.decode_native(Frame(data, data)).error is None
    assert DIALECT.decode_native_body(data, {}, call("/")).error is None
