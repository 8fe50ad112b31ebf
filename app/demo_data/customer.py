"""One tenant as it is administered: itself and its keys, changed now and then."""

from typing import TYPE_CHECKING, Any

import msgspec

from app.demo_data.clerk import admin_command, note
from app.demo_data.diary import Diary
from app.demo_data.people import Story
from app.demo_data.plan import HOUR
from app.demo_data.world import World
from domain.admin.entities import Limits, Token
from domain.admin.events import Changed, Created, TenantLooked
from domain.admission import Payer
from domain.ledger.commands import Command

if TYPE_CHECKING:
    from domain.ids import EntityId


class Customer:
    """The tenant, its keys and who pays, as they are at the moment."""

    def __init__(self, world: World, story: Story, diary: Diary, *, credit_limit_nanos: int) -> None:
        """Take what is known of it; its first events are planned."""
        self._world = world
        self._story = story
        self._diary = diary
        self.tenant = story.tenant
        if credit_limit_nanos:
            self.tenant = msgspec.structs.replace(story.tenant, credit_limit_nanos=credit_limit_nanos)
        self.tokens = {member.token.token_id: member.token for member in story.members}
        self._version = 1
        self._members = {user.user_id: user.memberships[0] for user in story.users}
        self._payers: dict[EntityId, Payer] = {}
        self._group = next((g for g in world.user_groups if g.label == self.tenant.user_group), None)
        diary.put(story.joined, self._created("tenant", self.tenant, story.joined, "contract signed"))
        for member in story.members:
            diary.put(
                member.created_at, self._created("token", member.token, member.created_at, "", story.users[0].user_id)
            )

    def payer(self, token: Token) -> Payer:
        """Give who pays for calls with a key, and within which limits."""
        payer = self._payers.get(token.token_id)
        if payer is None:
            payer = self._payers[token.token_id] = Payer(
                token=token, tenant=self.tenant, user_budgets=self._members[token.user_id].budgets, group=self._group
            )
        return payer

    def _created(self, kind: str, entity: Any, at: int, reason: str, user_id: str | None = None) -> Command:
        event: Created[Any] = Created(after=entity, reason=reason)
        actor = f"user:{user_id or self._world.operators[0].user_id}"
        return admin_command(kind, event, None, entity, version=0, event_id=self._diary.ids.at(at), actor=actor)

    def _changed(self, at: int, kind: str, before: Any, after: Any, *, version: int, reason: str) -> None:
        event: Changed[Any] = Changed(before=before, after=after, reason=reason)
        actor = f"user:{self._world.operators[0].user_id}"
        command = admin_command(
            kind, event, before, after, version=version, event_id=self._diary.ids.at(at), actor=actor
        )
        self._diary.book.must(command, at)

    def _change(self, at: int, reason: str, **changes: Any) -> None:
        before, self.tenant = self.tenant, msgspec.structs.replace(self.tenant, **changes)
        self._changed(at, "tenant", before, self.tenant, version=self._version, reason=reason)
        self._version += 1
        self._payers.clear()

    def raise_limit(self, at: int) -> None:
        """Give the tenant a limit on its rate."""
        self._change(at, "they asked for it", limits=Limits(requests_per_minute=3000))

    def suspend(self, at: int) -> None:
        """Keep the tenant out for a while."""
        self._change(at, "payment was charged back", suspended=True)

    def resume(self, at: int) -> None:
        """Let it in again."""
        self._change(at, "settled by phone", suspended=False)

    def revoke(self, at: int) -> None:
        """Revoke a key that is used little, by somebody of the tenant."""
        member = self._story.members[-1]
        if member.created_at + HOUR > at or len(self._story.members) == 1:
            return
        before = self.tokens[member.token.token_id]
        after = msgspec.structs.replace(before, revoked=True)
        self.tokens[member.token.token_id] = after
        self._payers.clear()
        self._changed(at, "token", before, after, version=1, reason="found in a public repository")

    def look(self, at: int) -> None:
        """Let somebody of the operator look at its requests."""
        user = self._world.operators[2]
        look = TenantLooked(
            tenant_id=self.tenant.tenant_id, user_id=user.user_id, login=user.login, role="support",
            operation="listRequests",
        )  # fmt: skip
        if at > self._story.joined:
            command = note(look, self.tenant.tenant_id, event_id=self._diary.ids.at(at), actor=f"user:{user.user_id}")
            self._diary.book.must(command, at)
