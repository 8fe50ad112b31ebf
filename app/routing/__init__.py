"""Routing as it runs: what a node knows of its channels, shares with the others, and decides from it."""
