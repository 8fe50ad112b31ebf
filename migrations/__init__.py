"""Numbered SQL files, applied in order by `tallygate migrate`; see docs/operations.md."""
