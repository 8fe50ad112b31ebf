"""One of the eight: a process with a flusher of its own that wants more than the wallet pays for."""

import asyncio
import sys

import asyncpg

from adapters.postgres.flusher import Flusher
from domain.ledger.commands import Code
from tests.support.ledger import WALLET, Sender

PRICE_NANOS = 1_000
WANTED = 20
STRICT, NAIVE = 8, 9


def _say(words: object) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


async def _order() -> str:
    _say("ready")
    line: str = await asyncio.to_thread(sys.stdin.readline)
    return line.strip()


async def _run(dsn: str, number: int) -> None:
    flusher = Flusher(dsn, batch_max=4)
    await flusher.start()
    connection = await asyncpg.connect(dsn)
    balance = 0
    while order := await _order():
        if order == "strict":
            sender = Sender(STRICT)
            answers = await asyncio.gather(
                *(
                    flusher.submit(
                        sender.hold((number, i), pool_id=WALLET, money_nanos=PRICE_NANOS, timeout_seconds=600)
                    )
                    for i in range(WANTED)
                )
            )
            refused = {answer.code for answer in answers} - {Code.OK}
            assert refused <= {Code.INSUFFICIENT}, refused
            _say(sum(answer.code is Code.OK for answer in answers))
        elif order == "look":
            balance = await connection.fetchval(
                "SELECT sum(posted - held) FROM ledger.account WHERE tenant_id = $1 AND pool_id = $2", NAIVE, WALLET
            )
            _say(balance)
        else:
            take = Sender(NAIVE).post(("naive", number), pool_id=WALLET, money_nanos=PRICE_NANOS, strict=False)
            admitted = balance >= PRICE_NANOS and (await flusher.submit(take)).code is Code.OK
            _say(int(admitted))
    await flusher.stop(1.0)
    await connection.close()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
