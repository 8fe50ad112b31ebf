"""Azure OpenAI: OpenAI's bodies at addresses of deployments, a version in the query, two kinds of credential."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from adapters.dialects.openai.addresses import PATHS, RESPONSES
from adapters.dialects.openai.dialect import OpenAIDialect
from adapters.dialects.openai.profile import OPENAI, Profile
from adapters.wire.lenient import loads
from domain.relay.call import Surface
from domain.relay.dialect import AccessToken, Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import Kind, VendorError

API_VERSION: Final = "2024-10-21"
"""The version that is generally available, where the channel names none."""

_LOGIN: Final = "https://login.microsoftonline.com"
_SCOPE: Final = "https://cognitiveservices.azure.com/.default"
_TAIL: Final = re.compile(r"/openai(?:/v1)?$")
_CREDENTIAL_PARTS: Final = 3
_KINDS: Final[dict[str, Kind]] = {
    "401": "auth",
    "permissiondenied": "auth",
    "authenticationtypedisabled": "auth",
    "forbidden": "auth",
    "deploymentnotfound": "not_found",
    "ratelimitreached": "rate_limit",
    "responsibleaipolicyviolation": "content",
}

AZURE: Final = msgspec.structs.replace(OPENAI, option_headers={}, error_kinds=_KINDS)


class AzureDialect(OpenAIDialect):
    """A resource of Azure OpenAI, its models deployments.

    Fields of the channel: `api` (classic or v1), `api_version`, `auth` (key or entra), `strip_dots`, `stream_options`.
    """

    def __init__(self, surfaces: frozenset[Surface], profile: Profile = AZURE) -> None:
        """Take what is served."""
        super().__init__(profile, surfaces)

    def root(self, target: Target) -> str:
        """Give the address of the API, whichever part of it the operator has written."""
        base = _TAIL.sub("", target.base_url.rstrip("/")) + "/openai"
        return base + "/v1" if self._is_v1(target) else base

    def url(self, surface: Surface, target: Target) -> str:
        """Give the address of a call: that of the deployment, or of the whole resource where the body names it."""
        if self._is_v1(target):
            return self.root(target) + PATHS[surface] + self._query(target)
        deployment = target.model.replace(".", "") if target.options.get("strip_dots") == "true" else target.model
        return f"{self.root(target)}/deployments/{quote(deployment, safe='')}{PATHS[surface]}{self._query(target)}"

    def responses_url(self, target: Target) -> str:
        """Give the address of the Responses API, which belongs to no deployment."""
        return self.root(target) + RESPONSES + self._query(target)

    def realtime_url(self, target: Target) -> str:
        """Give the address of a session: of a deployment by the classic interface, of a model by the newer one."""
        name = quote(target.model, safe="")
        if self._is_v1(target):
            return f"{self.root(target)}/realtime?model={name}"
        return f"{self.root(target)}/realtime{self._query(target)}&deployment={name}"

    def headers(self, target: Target, *, content_type: str = "application/json") -> dict[str, str]:
        """Give the headers, with the key in Azure's own or a token in the usual one."""
        headers = super().headers(target, content_type=content_type)
        if target.options.get("auth") == "entra":
            headers["Authorization"] = f"Bearer {target.access_token or target.key}"
        else:
            headers.pop("Authorization", None)
            headers["api-key"] = target.key
        return headers

    def token_request(self, target: Target) -> VendorRequest | None:
        """Give the request for a token of Entra ID, where the key is `tenant|client_id|client_secret`."""
        parts = target.key.split("|")
        if target.options.get("auth") != "entra" or len(parts) != _CREDENTIAL_PARTS:
            return None
        tenant, client_id, client_secret = parts
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "scope": _SCOPE,
        }
        return VendorRequest(
            url=f"{_LOGIN}/{quote(tenant, safe='')}/oauth2/v2.0/token",
            headers={"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Tallygate"},
            body=urlencode(form).encode(),
            streams=False,
        )

    def decode_token(self, body: bytes) -> AccessToken:
        """Read the token; VendorError of kind auth if there is none."""
        answer = loads(body)
        token = answer.get("access_token") if isinstance(answer, dict) else None
        lifetime = answer.get("expires_in") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise VendorError("auth", vendor_code="no_access_token")
        try:
            seconds = float(lifetime) if isinstance(lifetime, int | float | str) else 0.0
        except ValueError:
            seconds = 0.0
        return AccessToken(token, seconds)

    def models_request(self, target: Target) -> VendorRequest | None:
        """Give the request that lists the resource's models."""
        return self._get(self.root(target) + "/models" + self._query(target), target)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read an error; a path or version that Azure does not know is the channel's fault, not the model's."""
        error = super().decode_error(status, headers, body, secrets=secrets)
        if error.kind == "not_found" and error.vendor_code == "404":
            return VendorError("protocol", status=status, vendor_code="404")
        return error

    @staticmethod
    def _is_v1(target: Target) -> bool:
        return target.options.get("api") == "v1"

    def _query(self, target: Target) -> str:
        version = target.options.get("api_version") or ("" if self._is_v1(target) else API_VERSION)
        return f"?api-version={quote(version, safe='')}" if version else ""
