"""What an operator sees of a running node: metrics, traces, and whether it may be sent requests."""
