"""A body for each operation whose body is hard to guess, for the document; a test decodes them as the API would."""

from collections.abc import Mapping
from typing import Any, Final

EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "createTenant": {"name": "Acme", "time_zone": "Europe/Berlin", "reason": "contract 2026-17"},
    "createUser": {
        "login": "ada",
        "name": "Ada",
        "password": "correct horse battery staple",
        "memberships": [{"tenant_id": 241000000000001, "role": "owner"}],
    },
    "createToken": {
        "tenant_id": 241000000000001,
        "name": "build server",
        "expires_at": "2027-01-01T00:00:00Z",
        "models": ["gpt-5-mini"],
        "networks": ["192.0.2.0/24"],
        "limits": {"requests_per_minute": 60},
        "budgets": [{"unit": "money", "period": "month", "amount": "50"}],
        "tags": ["ci"],
    },
    "createChannel": {
        "name": "OpenAI, first account",
        "type": "openai",
        "key": "sk-...",
        "models": ["gpt-5", "gpt-5-mini"],
        "channel_groups": ["default"],
    },
    "createGroup": {"side": "user", "label": "gold", "name": "Gold"},
    "createMultiplier": {"user_group": "gold", "channel_group": "all", "multiplier": "0.8"},
    "createMapping": {"model": "best", "target": "gpt-5"},
    "createRateCard": {
        "source": "price list of May",
        "effective_from": "2027-01-01T00:00:00Z",
        "models": {"gpt-5": {"input": "1.25", "cached_input": "0.125", "output": "10"}},
    },
    "createTopUp": {"amount": "100", "reference": "INV-2026-0042"},
    "createGrant": {
        "amount": "5",
        "kind": "promotional",
        "priority": 10,
        "expires_at": "2027-01-01T00:00:00Z",
        "reason": "welcome",
    },
    "createAdjustment": {"amount": "12.50", "reason": "paid twice", "reference": "INV-2026-0042"},
    "createRefund": {
        "amount": "0.25",
        "request_id": "019ab5c8-7f2e-7c31-9a54-0c2f6d1e8b70",
        "reason": "answer cut off by the vendor",
    },
    "createCodes": {"name": "Trade fair", "count": 100, "amount": "10", "expires_at": "2027-01-01T00:00:00Z"},
    "redeemCode": {"code": "ABCD-EFGH-JKMN-PQRS-TVWX"},
}
"""By operation id."""
