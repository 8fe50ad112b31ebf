"""The credentials of a Bedrock channel, and requests signed with them."""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from adapters.wire.kit import HEADERS
from domain.relay.dialect import Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import VendorError

SERVICE: Final = "bedrock"
REGION: Final = "us-east-1"
"""Where nothing is said."""

_REGION: Final = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")
_IN_HOST: Final = re.compile(r"(?<=//bedrock-runtime\.)[a-z0-9-]+(?=\.amazonaws\.com)")


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel's key says: a pair to sign with, or an API key to be sent as it is."""

    region: str
    key_id: str = ""
    secret: str = ""
    session_token: str = ""
    bearer: str = ""


def access_of(target: Target) -> Access:
    """Read `AK|SK`, `AK|SK|region`, `AK|SK|region|token`, an API key, or `API key|region`.

    The region is the key's, else the channel's option, else the one in its address. VendorError of kind auth for
    anything else.
    """
    parts = [part.strip() for part in target.key.split("|")]
    host = _IN_HOST.search(target.base_url)
    region = target.options.get("region") or (host[0] if host is not None else "") or REGION
    match parts:
        case [bearer] if bearer:
            return Access(region=region, bearer=bearer)
        case [bearer, place] if bearer and _REGION.fullmatch(place):
            return Access(region=place, bearer=bearer)
        case [key_id, secret] if key_id and secret:
            return Access(region=region, key_id=key_id, secret=secret)
        case [key_id, secret, place, *rest] if key_id and secret and len(rest) <= 1:
            return Access(region=place or region, key_id=key_id, secret=secret, session_token=rest[0] if rest else "")
        case _:
            raise VendorError("auth", vendor_code="malformed_key")


def base_of(target: Target, access: Access) -> str:
    """Give the channel's address; in the vendor's own the region is the credential's."""
    return _IN_HOST.sub(access.region, target.base_url.replace("{region}", access.region))


def signed(url: str, body: bytes, access: Access, now: dt.datetime, *, method: str = "POST") -> dict[str, str]:
    """Give all headers of a request; its path is percent-encoded already, and is once more in the signature."""
    headers = dict(HEADERS) if body else {name: value for name, value in HEADERS.items() if name != "Content-Type"}
    if access.bearer:
        return headers | {"Authorization": f"Bearer {access.bearer}"}
    request = AWSRequest(method=method, url=url, data=body)
    if body:
        request.headers["Content-Type"] = headers["Content-Type"]
    credentials = Credentials(access.key_id, access.secret, access.session_token or None)
    _Signer(credentials, SERVICE, access.region).add_auth_at(request, now)
    return headers | {str(name): str(value) for name, value in request.headers.items()}


class _Signer(SigV4Auth):  # type: ignore[misc]  # botocore ships no types
    """botocore's signature at a moment that is given, not looked up."""

    def add_auth_at(self, request: Any, now: dt.datetime) -> None:
        request.context["timestamp"] = now.astimezone(dt.UTC).strftime(SIGV4_TIMESTAMP)
        self._modify_request_before_signing(request)
        to_sign = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(to_sign, request))


def post_signed(path: str, body: Mapping[str, Any], target: Target, *, streams: bool | None = None) -> VendorRequest:
    """Give a signed POST of JSON."""
    access = access_of(target)
    url = base_of(target, access) + path
    data = msgspec.json.encode(body)
    return VendorRequest(url=url, headers=signed(url, data, access, target.now), body=data, streams=streams)


def get_signed(path: str, target: Target) -> VendorRequest:
    """Give a signed GET to the interface beside the runtime's, which lists models."""
    access = access_of(target)
    parts = urlsplit(base_of(target, access))
    host = parts.netloc.replace("bedrock-runtime", "bedrock", 1)
    url = f"{parts.scheme}://{host}{path}"
    return VendorRequest(url=url, headers=signed(url, b"", access, target.now, method="GET"), body=b"", method="GET")
