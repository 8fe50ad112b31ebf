"""Files of reports: CSV as it is read, Parquet a row group at a time; neither is ever whole in memory."""

import asyncio
import csv
import datetime as dt
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from domain.reports.focus import Kind, csv_cells

Format = Literal["csv", "parquet"]
MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_GROUP_ROWS: Final = 20_000
_TYPES: Final[Mapping[Kind, Any]] = {
    "text": pa.string(),
    "time": pa.timestamp("us", tz="UTC"),
    "amount": pa.decimal128(38, 9),
    "number": pa.int64(),
}

Row = Mapping[str, Any]
Chunks = AsyncIterator[Sequence[Row]]


def stream(format_: Format, chunks: Chunks, columns: Mapping[str, Kind]) -> AsyncIterator[bytes]:
    """Give the bytes of a file."""
    return _csv(chunks, columns) if format_ == "csv" else _parquet(chunks, columns)


async def _csv(chunks: Chunks, columns: Mapping[str, Kind]) -> AsyncIterator[bytes]:
    yield _lines([list(columns)])
    async for rows in chunks:
        yield await asyncio.to_thread(_lines, [csv_cells(row, columns) for row in rows])


def _lines(cells: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(cells)
    return text.getvalue().encode()


class _Sink(io.RawIOBase):
    """Takes what is written, until it is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


async def _parquet(chunks: Chunks, columns: Mapping[str, Kind]) -> AsyncIterator[bytes]:
    schema = pa.schema([(name, _TYPES[kind]) for name, kind in columns.items()])
    sink = _Sink()
    writer = pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd")
    pending: list[Row] = []
    async for rows in chunks:
        pending += rows
        if len(pending) >= _GROUP_ROWS:
            await asyncio.to_thread(writer.write_table, _table(pending, columns, schema))
            pending = []
            yield sink.take()
    if pending:
        await asyncio.to_thread(writer.write_table, _table(pending, columns, schema))
    writer.close()
    yield sink.take()


def _table(rows: Sequence[Row], columns: Mapping[str, Kind], schema: Any) -> Any:
    arrays = [pa.array([_value(row[name], kind) for row in rows], type=_TYPES[kind]) for name, kind in columns.items()]
    return pa.Table.from_arrays(arrays, schema=schema)


def _value(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind == "amount":
        return Decimal(value).scaleb(-9)
    if kind == "time":
        moment: dt.datetime = value
        return moment.astimezone(dt.UTC)
    return value
