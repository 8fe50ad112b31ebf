"""Which channel serves a request, and why: pure functions of the configuration, a seed and the clock."""

from domain.routing.draw import attempt_order

__all__ = ["attempt_order"]
