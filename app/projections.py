"""The projections of this version, in the order in which they are rebuilt and listed."""

from typing import Final

from projections.balances import BALANCES
from projections.base import Projection
from projections.entities import Entities
from projections.multipliers import MULTIPLIERS
from projections.usage_hourly import USAGE_HOURLY

ENTITIES: Final = Entities()

PROJECTIONS: Final[tuple[Projection, ...]] = (ENTITIES, BALANCES, USAGE_HOURLY, MULTIPLIERS)
