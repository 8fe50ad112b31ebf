"""What clients ask besides answers: which models there are, and what is left of their money."""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

import msgspec
import structlog

from app.catalog import Catalog
from app.relay.authentication import Authenticator, Caller
from app.relay.errors import ApiError, unavailable
from app.relay.model_lists import anthropic_list, anthropic_model, gemini_list, gemini_model
from app.relay.wire import Exchange
from domain.accounts import token_account, wallet
from domain.money import NANOS_PER_UNIT
from domain.relay.call import ClientDialect

if TYPE_CHECKING:
    import asyncpg

_log = structlog.get_logger(__name__)

_BALANCE: Final = """
    SELECT
        coalesce(sum(posted - held) FILTER (WHERE pool_id = $3 AND expires_at > now()), 0)::bigint AS left_nanos,
        coalesce(-sum(posted) FILTER (WHERE account_id = $4), 0)::bigint AS spent_nanos
    FROM ledger.account WHERE tenant_id = $1 AND lane = $2 AND (pool_id = $3 OR account_id = $4)
"""
_CAPTURED: Final = """
    SELECT coalesce(-sum(p.amount), 0)::bigint
    FROM ledger.event AS e
    CROSS JOIN LATERAL unnest(e.account_ids, e.posted) AS p (account_id, amount)
    WHERE e.tenant_id = $1 AND e.day BETWEEN $2 AND $3 AND e.type IN ('hold.captured.v1', 'usage.adjusted.v1')
        AND p.account_id = $4
"""


class CatalogRoutes:
    """The reading routes under /v1."""

    def __init__(
        self,
        catalog: Catalog,
        authenticator: Authenticator,
        pool: "asyncpg.Pool[asyncpg.Record]",
        now: Callable[[], dt.datetime],
    ) -> None:
        """Take what is read."""
        self._catalog = catalog
        self._authenticator = authenticator
        self._pool = pool
        self._now = now

    async def get(self, exchange: Exchange, query: str) -> None:
        """Answer one GET."""
        try:
            caller = await self._authenticator.context(exchange)
            await exchange.answer(200, msgspec.json.encode(await self._answer(caller, exchange, query)))
        except ApiError as error:
            await exchange.refuse(error)
        except OSError as error:
            _log.warning("database_away", error=repr(error))
            await exchange.refuse(unavailable("The gateway's database is not available.", code="ledger_unavailable"))

    async def _answer(self, caller: Caller, exchange: Exchange, query: str) -> Any:
        path, dialect = exchange.path, exchange.surface.dialect
        match path.removeprefix("/v1beta").removeprefix("/v1").rstrip("/"):
            case "/models":
                return self._list(self._models(caller), dialect, query)
            case "/dashboard/billing/subscription":
                return await self._subscription(caller)
            case "/dashboard/billing/usage":
                return await self._usage(caller, query)
            case "/dashboard/billing/credit_grants":
                return await self._credit_grants(caller)
            case rest if rest.startswith("/models/"):
                name = unquote(rest.removeprefix("/models/"))
                if name not in self._models(caller):
                    raise ApiError(
                        404,
                        f"The model '{name}' does not exist",
                        code="model_not_found",
                        param="model",
                        may_retry=False,
                    )
                return self._model(name, dialect)
            case _:
                raise ApiError(404, f"Unknown request URL: GET {path}.", code="unknown_url", may_retry=False)

    def _models(self, caller: Caller) -> list[str]:
        names = self._catalog.snapshot.model_names(caller.context)
        allowed = caller.payer.token.models
        return [name for name in names if allowed is None or name in allowed]

    def _list(self, names: list[str], dialect: ClientDialect, query: str) -> dict[str, Any]:
        if dialect == "anthropic":
            return anthropic_list(names, self._catalog.snapshot.model_created, query)
        if dialect == "gemini":
            return gemini_list(names, query)
        return {"object": "list", "data": [self._model(name, dialect) for name in names]}

    def _model(self, name: str, dialect: ClientDialect) -> dict[str, Any]:
        if dialect == "anthropic":
            return anthropic_model(name, self._catalog.snapshot.model_created(name))
        if dialect == "gemini":
            return gemini_model(name)
        return {
            "id": name,
            "object": "model",
            "created": self._catalog.snapshot.model_created(name),
            "owned_by": "tallygate",
        }

    async def _money(self, caller: Caller) -> tuple[int, int]:
        tenant_id = caller.payer.tenant.tenant_id
        row = await self._pool.fetchrow(
            _BALANCE, tenant_id, tenant_id, wallet(tenant_id), token_account(caller.payer.token.token_id)
        )
        assert row is not None
        return row["left_nanos"], row["spent_nanos"]

    async def _subscription(self, caller: Caller) -> dict[str, Any]:
        left, spent = await self._money(caller)
        budget = next((b.amount for b in caller.payer.token.budgets if b.unit == "money" and b.period == "total"), None)
        # Clients show limit minus usage as what is left, so the limit is what was spent and what can be spent.
        limit = left + spent if budget is None else min(budget, left + spent)
        expires_at = caller.payer.token.expires_at
        until = int(dt.datetime.fromisoformat(expires_at).timestamp()) if expires_at is not None else 0
        units = _units(limit)
        return {
            "object": "billing_subscription",
            "has_payment_method": True,
            "soft_limit_usd": units,
            "hard_limit_usd": units,
            "system_hard_limit_usd": units,
            "access_until": until,
        }

    async def _usage(self, caller: Caller, query: str) -> dict[str, Any]:
        asked = parse_qs(query)
        today = self._now().date()
        start = _date(asked.get("start_date"), today - dt.timedelta(days=99))
        end = _date(asked.get("end_date"), today)
        spent = await self._pool.fetchval(
            _CAPTURED, caller.payer.tenant.tenant_id, start, end, token_account(caller.payer.token.token_id)
        )
        return {"object": "list", "total_usage": _units(spent * 100)}

    async def _credit_grants(self, caller: Caller) -> dict[str, Any]:
        left, spent = await self._money(caller)
        return {
            "object": "credit_summary",
            "total_granted": _units(left + spent),
            "total_used": _units(spent),
            "total_available": _units(left),
        }


def _units(nanos: int) -> float:
    """Give an amount as these old calls want it; nothing is computed from it."""
    return nanos / NANOS_PER_UNIT


def _date(values: list[str] | None, default: dt.date) -> dt.date:
    if not values:
        return default
    try:
        return dt.date.fromisoformat(values[0][:10])
    except ValueError:
        raise ApiError(400, "Dates are written as 2026-11-23.", code="invalid_date", may_retry=False) from None
