"""Every refusal that Tallygate makes on purpose, as one tree.

    TallygateError
    |-- MoneyError                   domain/money.py
    |   |-- AmountFormatError        a text that is not a plain decimal of at most nine places
    |   `-- AmountRangeError         beyond what a 64-bit ledger column holds
    |-- UsageError                   domain/metering/usage.py: a quantity below zero
    |-- PricingError                 domain/pricing/rate_card.py
    |   |-- InvalidPriceError        a price that no card may carry
    |   |-- InvalidRateCardError     a card that contradicts itself
    |   |-- CardPublishedError       published cards never change
    |   |-- RateCardRefusedError     domain/pricing/lint.py: the lint found errors, and nobody forced it
    |   |-- UnpricedModelError       no price in force: refused, never free
    |   |-- InvalidMultiplierError   domain/pricing/multipliers.py
    |   `-- AllowanceExhaustedError  domain/pricing/charge.py: free use past the end of its allowance
    `-- UnknownZoneError             domain/billing_windows.py

Other packages add their branches in their own modules, beside what raises them. `code` is stable: clients
and the documentation rely on it. The message is for the person who reads it. Only `app/errors.py` knows HTTP
statuses.
"""

from typing import ClassVar


class TallygateError(Exception):
    """What every refusal of Tallygate is; its `code` is part of the public interface."""

    code: ClassVar[str] = "tallygate_error"
