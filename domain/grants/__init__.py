"""Money that a tenant can spend: given, redeemed, corrected, lapsed."""
