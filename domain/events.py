"""Every event type by its stored name, and the way from bytes to values and back.

A stored name ends in a version. A new shape is a new version with a class of its own; the old class stays here for
ever, so that whatever was stored can be read. tests/domain/corpus holds one stored event of each.
"""

from typing import Any, Final

import msgspec

from domain.admin.entities import ARCHIVED_FOR_GOOD, BULK_KINDS, KINDS
from domain.admin.events import (
    AccountClosed,
    AccountReopened,
    Archived,
    Bulk,
    Changed,
    ChannelKeyChanged,
    Created,
    InvitationCreated,
    InvitationEnded,
    LoggedIn,
    MailSent,
    ParkedRetried,
    PasswordChanged,
    PersonalTokenCreated,
    PersonalTokenEnded,
    Restored,
    RunStarted,
    SessionsEnded,
    TenantLooked,
)
from domain.errors import TallygateError
from domain.grants.events import CodeClaimed, CodeRedeemed, CreditAdjusted, CreditGranted, CreditLapsed
from domain.holds.events import (
    AttemptFailed,
    HoldAuthorized,
    HoldCaptured,
    HoldExpired,
    HoldVoided,
    RequestsRefused,
    UsageAdjusted,
)
from domain.routing.events import AlertRaised, AlertResolved, ChannelProbed, ExperimentMeasured, HealthChanged

Event = msgspec.Struct
"""Any of the values below."""

TYPES: Final[dict[str, Any]] = (
    {
        "hold.authorized.v1": HoldAuthorized,
        "hold.captured.v1": HoldCaptured,
        "hold.voided.v1": HoldVoided,
        "hold.expired.v1": HoldExpired,
        "attempt.failed.v1": AttemptFailed,
        "requests.refused.v1": RequestsRefused,
        "usage.adjusted.v1": UsageAdjusted,
        "credit.granted.v1": CreditGranted,
        "credit.lapsed.v1": CreditLapsed,
        "credit.adjusted.v1": CreditAdjusted,
        "code.claimed.v1": CodeClaimed,
        "code.redeemed.v1": CodeRedeemed,
        "password.changed.v1": PasswordChanged,
        "channel_key.changed.v1": ChannelKeyChanged,
        "account.closed.v1": AccountClosed,
        "account.reopened.v1": AccountReopened,
        "session.opened.v1": LoggedIn,
        "session.ended.v1": SessionsEnded,
        "run.started.v1": RunStarted,
        "parked.retried.v1": ParkedRetried,
        "personal_token.created.v1": PersonalTokenCreated,
        "personal_token.ended.v1": PersonalTokenEnded,
        "tenant.looked.v1": TenantLooked,
        "invitation.created.v1": InvitationCreated,
        "invitation.ended.v1": InvitationEnded,
        "mail.sent.v1": MailSent,
        "channel_health.changed.v1": HealthChanged,
        "channel.probed.v1": ChannelProbed,
        "alert.raised.v1": AlertRaised,
        "alert.resolved.v1": AlertResolved,
        "experiment.measured.v1": ExperimentMeasured,
    }
    | {
        f"{kind}.{verb}.v1": shape[entity]
        for kind, entity in KINDS.items()
        for verb, shape in (("created", Created), ("changed", Changed), ("archived", Archived))
    }
    | {
        f"{kind}.restored.v1": shape[entity]
        for kind, entity in KINDS.items()
        for shape in (Restored,)
        if kind not in ARCHIVED_FOR_GOOD
    }
    | {f"{kind}.bulk.v1": shape[entity] for kind, entity in KINDS.items() for shape in (Bulk,) if kind in BULK_KINDS}
)
"""The type of each stored name."""

_DECODERS: Final = {name: msgspec.json.Decoder(type_) for name, type_ in TYPES.items()}
_ENCODER: Final = msgspec.json.Encoder()
_NAMES: Final = {type_: name for name, type_ in TYPES.items() if isinstance(type_, type)}


class UnknownEventError(TallygateError):
    """The log holds an event that this version of Tallygate does not know: it was written by a newer one."""

    code = "unknown_event"


def type_name(event: Event) -> str:
    """Give the stored name of an event that is not about an administered thing."""
    return _NAMES[type(event)]


def admin_type_name(kind: str, event: Created[Any] | Changed[Any] | Archived[Any] | Bulk[Any] | Restored[Any]) -> str:
    """Give the stored name of an event about an administered thing."""
    return f"{kind}.{type(event).__name__.lower()}.v1"


def encode(event: Event) -> bytes:
    """Give the bytes that are stored: JSON, the fields in the order of the class."""
    return _ENCODER.encode(event)


def decode(name: str, data: bytes) -> Any:
    """Give the value of a stored event; UnknownEventError for a type from the future."""
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise UnknownEventError(f"event type {name!r} is not known here: run a newer version of Tallygate")
    return decoder.decode(data)
