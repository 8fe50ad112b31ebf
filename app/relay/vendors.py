"""From a channel to its vendor: which transport, which address, which headers."""

from collections.abc import Mapping
from typing import Final

from adapters.dialects.openai import encode_request, endpoint, request_headers
from domain.admission import Quote, Route
from domain.relay.ports import Timeouts, Vendor, VendorReply, VendorRequest


class Vendors:
    """Every way to reach a vendor, by channel type."""

    def __init__(self, by_type: Mapping[str, Vendor], timeouts: Timeouts) -> None:
        """Take a transport for each channel type, and how long a vendor may take."""
        self._by_type: Final = dict(by_type)
        self._timeouts = timeouts

    async def send(self, quote: Quote, route: Route, key: str) -> VendorReply:
        """Send a quoted request along a route; VendorError if no answer begins."""
        channel = route.channel
        request = VendorRequest(
            url=endpoint(channel.base_url, quote.call.surface),
            headers=request_headers(key),
            body=encode_request(quote.call, model=route.model_routed, output_tokens_max=quote.output_limit),
            timeouts=self._timeouts,
        )
        return await self._by_type[channel.type].send(request)
