"""The ledger core: accounts with limits, holds, and the commands that change them."""
