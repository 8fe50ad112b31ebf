"""Tables whose rows are sums: adding to them is the same in any order, so lanes may be folded together."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from projections.slices import slices

if TYPE_CHECKING:
    import asyncpg

K = TypeVar("K", bound=tuple[Any, ...])


class SumTable:
    """One table: key columns, then columns that are added to. All sums are exact integers."""

    def __init__(self, table: str, *, keys: Mapping[str, str], sums: Mapping[str, str]) -> None:
        """Take column names and their SQL types, keys in the order of the primary key without `generation`."""
        self._numeric = tuple(type_ == "numeric" for type_ in sums.values())
        columns = [*keys, *sums]
        arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate([*keys.values(), *sums.values()], 2))
        self._add = (
            f"INSERT INTO {table} AS t ({', '.join(columns)}, generation)"  # noqa: S608  # names from this package
            # Most sums of a batch are zero all the way down: such a column is not sent at all.
            f" SELECT {', '.join('u.' + column for column in keys)},"
            f" {', '.join(f'coalesce(u.{column}, 0)' for column in sums)}, $1"
            f" FROM unnest({arrays}) AS u ({', '.join(columns)})"
            f" ON CONFLICT ({', '.join(keys)}, generation) DO UPDATE SET "
            + ", ".join(f"{column} = t.{column} + excluded.{column}" for column in sums)
        )

    async def add(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        generation: int,
        rows: Mapping[K, Sequence[int]],
    ) -> None:
        """Add to each row, in the order of the keys, so that two transactions never wait for one another in a ring."""
        async for keys in slices(sorted(rows)):
            columns = [list(column) for column in zip(*keys, strict=True)]
            sums = zip(*(rows[key] for key in keys), strict=True)
            amounts = [
                None if not any(column) else [Decimal(amount) for amount in column] if numeric else list(column)
                for numeric, column in zip(self._numeric, sums, strict=True)
            ]
            await connection.execute(self._add, generation, *columns, *amounts)
