"""What happens to channels and to those who watch them, as stored in the platform's lane."""

from typing import Literal

import msgspec

from domain.ids import EntityId, TenantId
from domain.routing.health import Class, Health

Severity = Literal["warning", "critical"]


class HealthChanged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The machine's judgement of a channel, or of one of its keys, has changed; every node goes by it from here on."""

    channel_id: EntityId
    key: int = 0
    """The number of the key, from 1; 0 is the channel as a whole."""
    version: int
    """How often it has changed: two nodes that see the same fault leave one event."""
    before: Health
    after: Health
    outcome: Class | Literal["reset"]
    """What led to it; `reset`: a person acted."""
    is_probe: bool = False
    node: str = ""
    reason: str = ""


class ChannelProbed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A channel was tried at nobody's expense, to see whether it can be used again."""

    channel_id: EntityId
    key: int = 0
    outcome: Class
    status: int = 0
    code: str = ""
    latency_milliseconds: int = 0
    node: str = ""


class AlertRaised(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something needs a person's eye; raised once, however often it is seen, until it is resolved."""

    kind: str
    """A stable code: `no_channel_available`, `channel_out`, `projection_parked`."""
    subject: str
    """What it is about: a model, a channel's id, a read model's name."""
    title: str
    severity: Severity = "critical"
    node: str = ""


class AlertResolved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an alert was about is over."""

    kind: str
    subject: str
    title: str
    node: str = ""


class ExperimentMeasured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a request of an experiment's arm went, for the comparison of the arms; its charge is the capture's."""

    policy_id: EntityId
    arm: str
    tenant_id: TenantId
    model_asked: str
    model_routed: str = ""
    completed: bool = False
    attempts: int = 0
    latency_milliseconds: int = 0
    first_byte_milliseconds: int = 0
    """0 where no byte came."""
    tokens: int = 0
    charged_nanos: int = 0
    cost_nanos: int = 0
