"""Which routing policy a request falls under: the most specific one that is switched on."""

from collections.abc import Iterable
from typing import Final

from domain.admin.entities import Arm, RoutingPolicy
from domain.ids import EntityId, TenantId
from domain.routing.chance import fraction, pick

DEFAULT_POLICY: Final = RoutingPolicy(policy_id=EntityId(""), name="default")
"""What holds where nobody has said anything: weights, and no fallbacks."""


class Policies:
    """The policies of a snapshot, found by whom and what they are for."""

    def __init__(self, policies: Iterable[RoutingPolicy]) -> None:
        """Take all that are there; those that are switched off count for nothing."""
        self._by_scope = {(p.tenant_id, p.user_group, p.model): p for p in policies if p.enabled}

    def find(self, model: str, user_group: str, tenant_id: TenantId) -> RoutingPolicy | None:
        """Give the policy for a model as it was asked for: the tenant's before its group's before everybody's.

        Of the same party, the one for this model comes before the one for all.
        """
        scopes = self._by_scope
        if not scopes:
            return None
        for scope in (
            (tenant_id, "", model),
            (tenant_id, "", ""),
            (None, user_group, model),
            (None, user_group, ""),
            (None, "", model),
            (None, "", ""),
        ):
            found = scopes.get(scope)
            if found is not None:
                return found
        return None


def arm_of(policy: RoutingPolicy, key: str) -> Arm | None:
    """Give the arm of an experiment that a key belongs to, in shares of all keys; None where there is no experiment.

    A key stays in its arm for as long as the arms before it, and their shares, stay.
    """
    if not policy.arms:
        return None
    return policy.arms[pick([arm.share for arm in policy.arms], fraction("arm", policy.policy_id, key))]
