"""How many tokens a prompt has, asked on the surfaces that have a call for it. It costs nothing and calls nobody."""

import structlog

from adapters.tokenizer import Tokenizer
from app.relay.authentication import Authenticator
from app.relay.errors import ApiError
from app.relay.wire import Exchange
from domain.metering.usage import TokenUsage
from domain.relay.call import InvalidRequestError
from domain.relay.delta import Delta
from domain.relay.dialect import Said
from domain.relay.measure import measurable

_log = structlog.get_logger(__name__)


class TokenCounts:
    """Answers with the gateway's own count: the one that a hold is sized by."""

    def __init__(self, authenticator: Authenticator, tokenizer: Tokenizer, body_bytes_max: int) -> None:
        """Take who may ask, and what counts."""
        self._authenticator = authenticator
        self._tokenizer = tokenizer
        self._body_bytes_max = body_bytes_max

    async def serve(self, exchange: Exchange, *, model: str = "") -> None:
        """Answer one request."""
        try:
            await exchange.answer(200, await self._count(exchange, model))
        except ApiError as refused:
            await exchange.refuse(refused)
        except InvalidRequestError as invalid:
            refusal = ApiError(400, invalid.message, param=invalid.param, code=invalid.reason, may_retry=False)
            await exchange.refuse(refusal)
        except Exception:  # noqa: BLE001  # the client gets an answer, the log the trace
            _log.exception("count_failed", request_id=exchange.request_id)
            failure = ApiError(500, "The gateway had an internal error.", type_="server_error", code="internal_error")
            await exchange.refuse(failure)

    async def _count(self, exchange: Exchange, model: str) -> bytes:
        await self._authenticator.context(exchange)
        body = await exchange.body(self._body_bytes_max)
        call = exchange.surface.parse("count_tokens", body, model=model)
        measured = measurable(exchange.surface.canonical(call))
        estimate = await self._tokenizer.estimate(measured, len(body), model=call.model)
        said = Said(answer_id=exchange.request_id.replace("-", ""), created=0)
        counted = TokenUsage(input_tokens=estimate.prompt_tokens)
        return exchange.surface.answer(call, said, Delta(), counted)[0]
