"""What a change of a user means in the lanes of the tenants whose money the user may spend."""

from collections.abc import Callable

from adapters.postgres.admin_store import AdminStore, Stored
from app.administration.submission import Step, Submission
from domain.accounts import user_account
from domain.admin.changes import Change, member_guard, member_opening, open_memberships
from domain.admin.errors import NotFoundError, VersionConflictError
from domain.admin.events import AccountClosed, AccountReopened
from domain.events import Event, type_name
from domain.ids import EntityId, TenantId, derive_id
from domain.ledger.commands import Leg, Op


class Members:
    """Closes and reopens the accounts of tenants' members."""

    def __init__(self, submission: Submission, store: AdminStore, ids: Callable[[], str]) -> None:
        self._submission = submission
        self._store = store
        self._ids = ids

    async def settle(self) -> int:
        """Close or reopen the members' accounts that a crash left behind their users' state; give how many.

        A user is changed in the platform's lane and closed in the lanes of each tenant: a process that died in between
        is made up for at the next start.
        """
        settled = 0
        after = None
        while True:
            page = await self._store.page("user", archived=None, after=after, limit=500)
            wanted = {
                str(user_account(place.tenant_id, user.entity.user_id)): (place.tenant_id, user)
                for user in page.items
                for place in user.entity.memberships
            }
            states = await self._store.account_states([tenant_id for tenant_id, _ in wanted.values()], list(wanted))
            for account_id, is_open in states.items():
                tenant_id, user = wanted[account_id]
                should = not user.archived and not user.entity.disabled
                if is_open != should:
                    step = Step(None, None, self._ids(), "system:administration")
                    await self.set(tenant_id, user.entity.user_id, user.version, step, is_open=should)
                    settled += 1
            if page.next is None:
                return settled
            after = page.next

    async def follow(self, user: Stored, step: Step) -> None:
        """Close the accounts of a user who may no longer spend a tenant's money, and reopen those who may again."""
        affected = open_memberships(step.before) ^ open_memberships(step.after)
        # What the user is now goes with the version that it has now; this step may be overtaken already.
        open_now = open_memberships(None if user.archived else user.entity)
        if step.before is not None:
            for tenant_id in sorted(affected):
                is_open = tenant_id in open_now
                await self.set(tenant_id, user.entity.user_id, user.version, step, is_open=is_open)
        if step.after is None or step.after.disabled:
            await self._store.end_sessions(user.entity_id)

    async def set(self, tenant_id: TenantId, user_id: EntityId, version: int, step: Step, *, is_open: bool) -> None:
        """Close or open a member's account, unless a later version of the user has done so already.

        Two changes of a user are ordered in the platform's lane, but what follows from them may overtake in the
        tenant's: the guard account has the version that came last, and never goes back.
        """
        member, guard = member_opening(tenant_id, user_id), member_guard(tenant_id, user_id)
        event: Event = (AccountReopened if is_open else AccountClosed)(tenant_id=tenant_id, user_id=user_id)
        while True:
            seen = await self._store.account(tenant_id, guard.account_id) or 0
            if seen >= version:
                return
            overtaken = VersionConflictError("user", user_id, version)
            change = Change(
                (
                    Leg(guard.account_id, version - seen, seen, Op.EXPECT),
                    Leg(member.account_id, op=Op.OPEN if is_open else Op.CLOSE),
                ),
                (member, guard),
                (overtaken, NotFoundError("tenant", str(tenant_id))),
            )
            try:
                await self._submission.submit(
                    tenant_id,
                    type_name(event),
                    event,
                    change,
                    event_id=derive_id(step.event_id, f"member:{tenant_id}"),
                    actor=step.actor,
                    correlation_id=step.event_id,
                    causation_id=step.event_id,
                )
            except VersionConflictError:
                continue
            return
