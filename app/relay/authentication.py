"""Who is asking: a token, its state and where it may be used from."""

import datetime as dt
import hashlib
import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache

from app.catalog import Catalog, CatalogUnavailableError, TokenContext
from app.relay.errors import ApiError, invalid_key, unavailable
from app.relay.wire import Exchange
from domain.admission import Payer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Caller:
    """A token that may ask, and who pays for it."""

    __slots__ = ("context", "payer")

    def __init__(self, context: TokenContext, payer: Payer) -> None:
        """Take what the catalog knows of the token, and the payer made of it."""
        self.context = context
        self.payer = payer


class Authenticator:
    """Knows callers by their tokens."""

    def __init__(self, catalog: Catalog, *, now: Callable[[], dt.datetime], trusted_proxies: Sequence[Network]) -> None:
        """Take where tokens are known, a clock, and whose word on the client's address is believed."""
        self._catalog = catalog
        self._now = now
        self._trusted = tuple(trusted_proxies)

    async def context(self, exchange: Exchange) -> Caller:
        """Give the caller of a request; ApiError 401 or 403 if there is none that may ask."""
        secret = exchange.credential()
        if not secret:
            raise invalid_key("You didn't provide an API key. Send it as 'Authorization: Bearer <key>'.")
        sha256 = hashlib.sha256(secret).hexdigest()
        context = self._catalog.cached_token(sha256)
        if context is None:
            try:
                context = await self._catalog.token(sha256)
            except CatalogUnavailableError as error:
                raise unavailable("The gateway's database is not available.", code="ledger_unavailable") from error
        if context is None:
            raise invalid_key()
        token = context.token
        if token.revoked or self._is_past(token.expires_at):
            raise invalid_key()
        if sha256 == token.previous_sha256 and self._is_past(token.previous_until):
            raise invalid_key()
        if context.tenant.suspended:
            raise ApiError(403, "This account is suspended.", code="tenant_suspended", may_retry=False)
        if context.user_disabled:
            raise ApiError(403, "The owner of this API key is disabled.", code="user_disabled", may_retry=False)
        if token.networks and not self._is_inside(exchange, token.networks):
            raise ApiError(
                403, "This API key may not be used from this address.", code="address_not_allowed", may_retry=False
            )
        group = self._catalog.snapshot.user_groups.get(context.tenant.user_group)
        payer = Payer(token=token, tenant=context.tenant, user_budgets=context.user_budgets, group=group)
        return Caller(context, payer)

    def _is_past(self, moment: str | None) -> bool:
        return moment is not None and self._now() >= dt.datetime.fromisoformat(moment)

    def _is_inside(self, exchange: Exchange, networks: tuple[str, ...]) -> bool:
        address = _address(self._client_address(exchange))
        return address is not None and any(address in network for network in _networks(networks))

    def _client_address(self, exchange: Exchange) -> str:
        """Give the client's address: the last hop that no trusted proxy speaks for."""
        hops = [hop.strip() for hop in exchange.headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")]
        current = exchange.peer
        for hop in reversed(hops):
            address = _address(current)
            if not hop or address is None or not any(address in network for network in self._trusted):
                break
            current = hop
        return current


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped if mapped is not None else address


@lru_cache(maxsize=4096)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text, strict=False) for text in texts)
