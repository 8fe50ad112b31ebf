"""Which pages `make bench-reports` asks for: every kind of report, grouping and filter, with what is in the data."""

import datetime as dt
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import msgspec

from domain.ids import TenantId

if TYPE_CHECKING:
    import asyncpg

UNTIL: Final = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
"""When the data end."""


class Page(msgspec.Struct, frozen=True):
    """One page that is asked for."""

    name: str
    path: str
    as_tenant: bool = False


class Asked(NamedTuple):
    """Whom and what is asked about."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    tenant_id: TenantId
    """The largest."""


async def pages_of(asked: Asked, days: int) -> list[Page]:
    """Give every report page, with what is in the data."""
    first = UNTIL - dt.timedelta(days=min(days, 30))
    tenant = asked.tenant_id
    month = f"from={_time(first)}&to={_time(UNTIL)}"
    week = f"from={_time(UNTIL - dt.timedelta(days=7))}&to={_time(UNTIL)}"
    pages = [
        Page("usage by the day, platform", f"/reports/usage?{week}"),
        Page("usage by the hour, platform", f"/reports/usage?{week}&bucket=hour"),
        Page(
            "usage by the minute, 3 hours, platform",
            f"/reports/usage?bucket=minute&from={_time(UNTIL - dt.timedelta(hours=3))}&to={_time(UNTIL)}",
        ),
        Page("usage by the day in Tokyo, tenant", f"/reports/usage?{week}&zone=Asia/Tokyo", as_tenant=True),
        Page("usage by the hour, tenant", f"/reports/usage?{week}&bucket=hour", as_tenant=True),
        Page("usage by the month, all there is", f"/reports/usage?bucket=month&{month}"),
    ]
    for name in (
        "tenant", "user", "token", "model_asked", "model_routed", "model_billed", "channel", "vendor", "tag",
        "multiplier",
    ):  # fmt: skip
        pages.append(Page(f"usage by {name}, 30 days, platform", f"/reports/usage?{month}&by={name}"))
        pages.append(Page(f"usage by {name}, 30 days, tenant", f"/reports/usage?{month}&by={name}", as_tenant=True))
    pages += [
        Page("usage by model and channel, 30 days", f"/reports/usage?{month}&by=model_asked,channel"),
        Page("usage by tenant, model and tag, 30 days", f"/reports/usage?{month}&by=tenant,model_asked,tag"),
        *(
            Page(f"top 100 by {name}, 30 days", f"/reports/top?{month}&by={name}&limit=100")
            for name in ("tenant", "user", "token", "model_asked", "vendor", "tag")
        ),
        Page("top users by tokens, tenant", f"/reports/top?{month}&by=user&order=output_tokens", as_tenant=True),
        Page("balances now", "/reports/balances?limit=100"),
        Page(
            "balances as of a past moment", f"/reports/balances?at={_time(first + dt.timedelta(hours=37, minutes=12))}"
        ),
        Page(
            "balance as of a past moment, held included",
            f"/reports/balances?tenant_id={tenant}&at={_time(first + dt.timedelta(hours=61, minutes=7))}",
            as_tenant=True,
        ),
        Page(
            "price as of a past moment",
            f"/reports/prices?model=gpt-5-mini&user_group=pro&at={_time(first + dt.timedelta(days=2))}",
        ),
        Page("statements of a tenant", f"/tenants/{tenant}/statements", as_tenant=True),
        Page("statement, the open period", f"/tenants/{tenant}/statements/current", as_tenant=True),
        Page("movements of credit", f"/tenants/{tenant}/movements", as_tenant=True),
    ]
    period = await asked.pool.fetchval(
        "SELECT period FROM projection.statement WHERE tenant_id = $1 ORDER BY starts_at LIMIT 1", tenant
    )
    if period is not None:
        pages.append(Page("statement, closed", f"/tenants/{tenant}/statements/{period}", as_tenant=True))
    pages += await _log_pages(asked, month)
    pages += await _reasons(asked, month)
    return pages + _console_pages(tenant, month)


def _console_pages(tenant: TenantId, month: str) -> list[Page]:
    """Give what else the console shows: how things go, the books, what happened, lists."""
    fortnight = f"from={_time(UNTIL - dt.timedelta(days=14))}&to={_time(UNTIL)}"
    two_days = f"from={_time(UNTIL - dt.timedelta(hours=47))}&to={_time(UNTIL)}"
    pages = [
        Page("overview, a day", f"/reports/overview?to={_time(UNTIL)}"),
        Page("overview, 30 days", f"/reports/overview?{month}"),
        Page("channels, 24 hours in 5 minutes", "/channel-availability?hours=24"),
        Page("latency by 5 minutes and model, 47 hours", f"/reports/latency?bucket=five_minutes&by=model&{two_days}"),
        Page("limits, the fullest first", "/limits"),
        Page("limits, tenant", "/limits", as_tenant=True),
        Page("statements of all tenants", "/reports/statements"),
        Page("audit, first page", "/audit"),
        Page("audit, first page, tenant", "/audit", as_tenant=True),
        Page("audit, tokens", "/audit?kind=token"),
        Page("audit, changes by day", f"/audit/changes?{month}"),
        Page("books", "/ledger/health"),
        Page("system", "/system"),
        Page("support bundle", "/system/support-bundle"),
        Page("first steps", "/setup"),
        Page("models of a tenant", f"/tenants/{tenant}/models", as_tenant=True),
        Page("tenants", "/tenants?sort=name"),
        Page("users", "/users?sort=name"),
        Page("keys", "/tokens"),
        Page("channels", "/channels"),
        Page("rate cards", "/rate-cards"),
    ]
    for zone in ("UTC", "Asia/Tokyo"):
        for as_tenant in (False, True):
            who = "tenant" if as_tenant else "platform"
            pages += [
                Page(
                    f"latency by {bucket} and model, {days} days, {zone}, {who}",
                    f"/reports/latency?bucket={bucket}&by=model&{span}&zone={zone}",
                    as_tenant=as_tenant,
                )
                for bucket, days, span in (("hour", 14, fortnight), ("day", 30, month), ("week", 30, month))
            ]
            pages.append(
                Page(
                    f"latency by hour, 30 days, {zone}, {who}",
                    f"/reports/latency?{month}&zone={zone}",
                    as_tenant=as_tenant,
                )
            )
            pages += [
                Page(
                    f"refusals by reason{' and model' if by_model else ''}, 30 days, {zone}, {who}",
                    f"/reports/refusals?{month}&zone={zone}&by_model={str(by_model).lower()}",
                    as_tenant=as_tenant,
                )
                for by_model in (False, True)
            ]
            pages.append(
                Page(
                    f"credit in and out, 30 days, {zone}, {who}",
                    f"/reports/credit?{month}&zone={zone}",
                    as_tenant=as_tenant,
                )
            )
    return pages


async def _log_pages(asked: Asked, month: str) -> list[Page]:
    log = f"/reports/requests?limit=100&{month}"
    deep = UNTIL - dt.timedelta(days=9, hours=5)
    micros = int(deep.timestamp() * 1_000_000)
    after = f"after={micros}-{asked.tenant_id}-{asked.tenant_id}-1"
    pages = [
        Page("log, first page, platform", log),
        Page("log, first page, tenant", log, as_tenant=True),
        Page("log, a page 9 days deep, platform", f"{log}&{after}"),
        Page("log, a page 9 days deep, tenant", f"{log}&{after}", as_tenant=True),
    ]
    return pages + [
        Page(f"log, {name}{', tenant' if as_tenant else ''}", f"{log}&{condition}", as_tenant=as_tenant)
        for name, condition in await _conditions(asked)
        for as_tenant in (False, True)
        if not (as_tenant and name.startswith(("cost", "margin")))
    ]


async def _conditions(asked: Asked) -> list[tuple[str, str]]:
    """Give a filter on every column: values that the tenant has, the commonest and the rarest."""
    fixed = [
        ("states=voided", "states=voided"),
        ("states=attempt_failed", "states=attempt_failed"),
        ("states=expired", "states=expired"),
        ("stream=true", "stream=true"),
        ("cached=true", "cached=true"),
        ("tag=production", "tag=production"),
        ("tag nobody has", "tag=nobody"),
        ("vendor=anthropic", "vendor=anthropic"),
        ("status=500", "status=500"),
        ("multiplier=1.1", "multiplier=1.1"),
        ("card_version=1", "card_version=1"),
        ("limit_name=wallet", "limit_name=wallet"),
        ("attempts_min=3", "attempts_min=3"),
        ("latency_min=20000", "latency_min=20000"),
        ("latency_max=5", "latency_max=5"),
        ("first_byte_min=2500", "first_byte_min=2500"),
        ("first_byte_max=60", "first_byte_max=60"),
        ("tokens_min=60000", "tokens_min=60000"),
        ("input_tokens_min=60000", "input_tokens_min=60000"),
        ("output_tokens_min=4096", "output_tokens_min=4096"),
        ("charged_min=0.2", "charged_min=0.2"),
        ("charged_max=0", "charged_max=0"),
        ("cost_min=0.2", "cost_min=0.2"),
        ("margin_max=-0.1", "margin_max=-0.1"),
        ("request_id", f"request_id={await _some(asked, 'request_id')}"),
    ]
    for column in ("user_id", "token_id", "surface", "model_asked", "model_routed", "model_billed", "channel_id",
                   "outcome", "code", "basis", "card_id"):  # fmt: skip
        rows = await asked.pool.fetch(
            f"SELECT {column} AS value FROM projection.request_log WHERE tenant_id = $1 AND {column} <> ''"
            " GROUP BY 1 ORDER BY count(*) DESC",
            asked.tenant_id,
        )
        values = list(dict.fromkeys([rows[0]["value"], rows[-1]["value"]])) if rows else []
        fixed += [
            (f"{column}, {'commonest' if n == 0 else 'rarest'}", f"{column}={quote(value)}")
            for n, value in enumerate(values)
        ]
    return fixed


async def _some(asked: Asked, column: str) -> Any:
    return await asked.pool.fetchval(
        f"SELECT {column} FROM projection.request_log WHERE tenant_id = $1 AND recorded_at < $2"
        f" AND {column} IS NOT NULL AND state = 'captured' LIMIT 1",
        asked.tenant_id,
        UNTIL - dt.timedelta(days=5),
    )


async def _reasons(asked: Asked, month: str) -> list[Page]:
    request = await _some(asked, "request_id")
    pages = [
        Page("receipt of a request", f"/requests/{request}", as_tenant=True),
        Page("why a charge", f"/reports/charges/{request}", as_tenant=True),
    ]
    refused = await asked.pool.fetchrow(
        "SELECT tenant_id, lane, position, recorded_at FROM projection.request_log WHERE state = 'refused' LIMIT 1"
    )
    if refused is not None:
        micros = int(refused["recorded_at"].timestamp() * 1_000_000)
        row = f"{micros}-{refused['tenant_id']}-{refused['lane']}-{refused['position']}"
        pages.append(Page("why a refusal", f"/tenants/{refused['tenant_id']}/refusals/{row}"))
    card = await asked.pool.fetchval(
        "SELECT entity_id FROM admin.entity WHERE kind = 'rate_card' AND owner = 'sale'"
        " ORDER BY created_at DESC LIMIT 1"
    )
    pages += [
        Page("what if, 30 days, platform", f"/rate-cards/{card}/what-if?{month}"),
        Page("what if, 30 days, one tenant", f"/rate-cards/{card}/what-if?{month}&tenant_id={asked.tenant_id}"),
    ]
    return pages


def _time(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
