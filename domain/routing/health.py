"""The health of a channel, or of one of its keys: a fold over the outcomes of attempts and probes.

The machine's judgement only: whether a person has switched the channel off is the channel's own `enabled`, which
nothing in here reads or writes.
"""

from typing import Final, Literal, TypeAlias

import msgspec

from domain.relay.vendor_errors import Kind

Class: TypeAlias = Literal[
    "success", "timeout", "connect", "server", "rate_limit", "auth", "quota", "content", "client"
]
"""What an outcome says. `server`: 5xx, and answers that cannot be understood. `content` and `client` are the
request's own doing, and never count against a channel."""

Fault: TypeAlias = Literal["timeout", "connect", "server"]

FAULTS_IN_A_ROW: Final[dict[Fault, int]] = {"timeout": 3, "connect": 3, "server": 5}
"""So many of a class, with no success between them, take the channel out of the choice."""
STEP_PERCENT: Final = 20
"""What each success in a row gives back: five restore all of it."""
_ALL: Final = 100
PAUSE_MILLISECONDS: Final = 1_000
"""The pause after a 429 that does not say for how long."""
PAUSE_MILLISECONDS_MAX: Final = 300_000

_CLASSES: Final[dict[Kind, Class]] = {
    "auth": "auth",
    "quota": "quota",
    "rate_limit": "rate_limit",
    "overloaded": "server",
    "server": "server",
    "timeout": "timeout",
    "connect": "connect",
    "protocol": "server",
    "not_found": "client",
    "bad_request": "client",
    "content": "content",
}


def class_of(kind: Kind) -> Class:
    """Give what a vendor's error says about its channel."""
    return _CLASSES[kind]


class Sample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One outcome."""

    class_: Class
    at_milliseconds: int
    """Unix time."""
    is_probe: bool = False
    retry_after_milliseconds: int | None = None
    """What the vendor asked for."""


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the machine thinks of a channel or key."""

    percent: int = 100
    """Of the configured weight: 0 is out, 20 to 80 is on the way back."""
    timeouts: int = 0
    """In a row, as are the next two: a success ends them all."""
    connects: int = 0
    servers: int = 0
    cause: Fault | None = None
    """What took the weight to 0, until all of it is back."""
    out: Literal["auth", "quota"] | None = None
    """The vendor refuses the key: out until a probe succeeds, or a person acts."""
    paused_until_milliseconds: int = 0
    """Unix time up to which the vendor asked to be left alone."""

    @property
    def is_sound(self) -> bool:
        """Whether nothing speaks against it, so that another success changes nothing."""
        return self is SOUND or self == SOUND

    def why_out(self, now_milliseconds: int) -> str | None:
        """Give why it takes no requests at a moment: auth, quota, timeout, connect, server or paused."""
        if self.out is not None:
            return self.out
        if self.percent == 0:
            return self.cause or "timeout"
        return "paused" if now_milliseconds < self.paused_until_milliseconds else None

    def weight(self, configured: int, now_milliseconds: int) -> int:
        """Give the effective weight; what is on its way back has at least 1 if it was configured to have any."""
        if self.why_out(now_milliseconds) is not None:
            return 0
        return max(1, configured * self.percent // 100) if configured else 0


SOUND: Final = Health()


def evolve(health: Health, sample: Sample) -> Health:
    """Give the health after one more outcome."""
    match sample.class_:
        case "success":
            return SOUND if health is SOUND else _succeed(health, sample)
        case "timeout" | "connect" | "server":
            return _pause(_fail(health, sample.class_), sample, default=None)
        case "rate_limit":
            return _pause(health, sample, default=PAUSE_MILLISECONDS)
        case "auth" | "quota":
            return msgspec.structs.replace(health, out=sample.class_)
        case "content" | "client":
            return health


def is_news(before: Health, after: Health, now_milliseconds: int) -> bool:
    """Say whether other nodes must hear of a change: of all but rows that are still short, and pauses much the same."""
    if (before.percent, before.cause, before.out) != (after.percent, after.cause, after.out):
        return True
    until = max(now_milliseconds, before.paused_until_milliseconds)
    return after.paused_until_milliseconds - until >= PAUSE_MILLISECONDS // 2


def _succeed(health: Health, sample: Sample) -> Health:
    # An answer that was under way when the key was refused says nothing about the key now: only a probe does.
    out = None if sample.is_probe else health.out
    percent = min(_ALL, health.percent + STEP_PERCENT)
    until = health.paused_until_milliseconds
    if sample.is_probe or until <= sample.at_milliseconds:
        until = 0
    if percent == _ALL and out is None and not until:
        return SOUND
    return Health(
        percent=percent,
        cause=health.cause if percent < _ALL else None,
        out=out,
        paused_until_milliseconds=until,
    )


def _fail(health: Health, fault: Fault) -> Health:
    count = {"timeout": health.timeouts, "connect": health.connects, "server": health.servers}
    count[fault] = min(count[fault] + 1, FAULTS_IN_A_ROW[fault])
    # On the way back a single fault breaks the row of successes: the way begins again.
    is_down = health.percent < _ALL or count[fault] >= FAULTS_IN_A_ROW[fault]
    return Health(
        percent=0 if is_down else health.percent,
        timeouts=count["timeout"],
        connects=count["connect"],
        servers=count["server"],
        cause=(health.cause if health.percent == 0 else None) or fault if is_down else None,
        out=health.out,
        paused_until_milliseconds=health.paused_until_milliseconds,
    )


def _pause(health: Health, sample: Sample, *, default: int | None) -> Health:
    asked = sample.retry_after_milliseconds if sample.retry_after_milliseconds is not None else default
    if asked is None:
        return health
    until = sample.at_milliseconds + min(max(0, asked), PAUSE_MILLISECONDS_MAX)
    return msgspec.structs.replace(health, paused_until_milliseconds=max(until, health.paused_until_milliseconds))
