"""Who is there: people of the operator, tenants with theirs and their keys, and when they log in."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from app.demo_data.cast import COMPANIES, OPERATORS, TAGS, TOKEN_NAMES, Company
from app.demo_data.clerk import Clerk, note
from app.demo_data.plan import DAY, HOUR, SECOND
from domain.admin.entities import Budget, Limits, Membership, Tenant, TenantRole, Token, User
from domain.admin.events import LoggedIn
from domain.admin.rules import tenant_id_from
from domain.ids import PLATFORM, EventId, TenantId

if TYPE_CHECKING:
    from domain.grants.events import CodeClaimed


class Member(NamedTuple):
    """A token that calls, and how much of its tenant's calls it makes."""

    token: Token
    created_at: int
    share: float


class Story(NamedTuple):
    """One tenant's part."""

    tenant: Tenant
    company: Company
    share: float
    joined: int
    users: tuple[User, ...]
    members: tuple[Member, ...]
    claim: "tuple[int, EventId, CodeClaimed] | None"


def operators(clerk: Clerk) -> tuple[User, ...]:
    """Make the people of the operator; the first of them does what follows."""
    made = []
    for login, name, role in OPERATORS:
        at = clerk.next_second()
        user = User(user_id=clerk.id_at(at), login=login, name=name, platform_role=role)  # type: ignore[arg-type]
        made.append(clerk.create("user", user, at, actor="system:demo_data"))
    clerk.admin = f"user:{made[0].user_id}"
    return tuple(made)


def tenant_of(clerk: Clerk, number: int) -> Story:
    """Make a tenant's people, and say what its own lane begins with."""
    company = COMPANIES[number % len(COMPANIES)]
    again = number // len(COMPANIES)
    chance = clerk.plan.chance(f"tenant {number}")
    joined = clerk.next_second() if company.joined == 0 else clerk.plan.at(company.joined) + number * SECOND
    tenant_id = tenant_id_from(clerk.ids.at(joined + number * 1000))
    trial = company.paying == "trial"
    tenant = Tenant(
        tenant_id=tenant_id,
        name=company.name if not again else f"{company.name} {again + 1}",
        user_group=company.user_group,
        time_zone=company.time_zone,
        disconnect="abort" if number % 3 == 1 else "drain",
        limits=Limits(requests_per_minute=60) if trial else Limits(),
    )
    users = tuple(
        clerk.create("user", _user(clerk, tenant_id, name, index, number), joined + (index + 1) * SECOND)
        for index, name in enumerate(company.people)
    )
    members = tuple(_members(clerk, tenant, users, joined, chance))
    return Story(tenant, company, company.share / (1 + 3 * again), joined, users, members, None)


def _user(clerk: Clerk, tenant_id: TenantId, name: str, index: int, number: int) -> User:
    roles: tuple[TenantRole, ...] = ("owner", "admin", "member", "billing")
    login = ".".join(name.casefold().split()) + (f".{number}" if number >= len(COMPANIES) else "")
    budgets = (Budget("money", "month", 20 * 10**12),) if index == 2 else ()  # noqa: PLR2004 -- the third of them
    return User(
        user_id=clerk.id_at(clerk.order),
        login=login,
        name=name,
        memberships=(Membership(tenant_id, roles[min(index, 3)], budgets),),
    )


def _members(
    clerk: Clerk, tenant: Tenant, users: tuple[User, ...], joined: int, chance: random.Random
) -> Iterator[Member]:
    count = min(len(TOKEN_NAMES), 1 + len(users))
    for index in range(count):
        created = joined + (20 + index) * SECOND
        if index == count - 1 and index > 1:
            created = joined + int((clerk.plan.end - joined) * chance.uniform(0.2, 0.6))
        tags = TAGS[index % len(TAGS)]
        secret = hashlib.sha256(f"{clerk.plan.seed}/{tenant.tenant_id}/{index}".encode()).hexdigest()
        yield Member(
            Token(
                token_id=clerk.id_at(created),
                tenant_id=tenant.tenant_id,
                user_id=users[index % len(users)].user_id,
                name=TOKEN_NAMES[index],
                # The hash of nothing that anybody has: no key of this history opens anything.
                sha256=secret,
                hint=f"sk-tg-...{secret[:4]}",
                limits=Limits(requests_per_minute=600) if "staging" in tags else Limits(),
                budgets=(Budget("money", "day", 15 * 10**9),) if "development" in tags else (),
                tags=tags,
                cache_seconds=3600 if "batch" in tags else 0,
            ),
            created,
            (6.0, 3.0, 1.0, 0.6, 0.8)[index],
        )


def logins(clerk: Clerk, operators: Sequence[User], stories: Sequence[Story]) -> None:
    """Let people log in, twice or thrice a week."""
    chance = clerk.plan.chance("logins")
    people = [(user.user_id, clerk.plan.first) for user in operators]
    people += [(user.user_id, story.joined) for story in stories for user in story.users[:2]]
    for day in range(clerk.plan.days):
        for user_id, since in people:
            at = clerk.plan.first + day * DAY + int(chance.uniform(6, 18) * HOUR)
            if chance.random() < 0.35 and since + HOUR < at < clerk.plan.end:  # noqa: PLR2004 -- of their days
                event = LoggedIn(user_id=user_id)
                clerk.put(at, note(event, PLATFORM, event_id=clerk.ids.at(at), actor=f"user:{user_id}"))
