"""Which channel serves a request, and why: pure functions of the configuration, a seed and the clock."""
