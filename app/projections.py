"""Every projection of the product, in the order in which a status page lists them."""

from typing import Final

from projections.audit import Audit
from projections.balances import Balances
from projections.base import BulkProjection, Projection
from projections.entities import Entities
from projections.multipliers import Multipliers
from projections.pulse import Pulse
from projections.redemptions import Redemptions
from projections.routing import Routing
from projections.usage import UsageProjection

PROJECTIONS: Final[tuple[Projection | BulkProjection, ...]] = (
    Entities(),
    Balances(),
    UsageProjection(),
    Multipliers(),
    Routing(),
    Redemptions(),
    Audit(),
    Pulse(),
)
