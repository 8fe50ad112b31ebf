"""API keys: shown once, known by their hash, told apart by their ends."""

import hashlib
import secrets


def new_token_secret() -> str:
    """Give a new API key: `sk-tg-` and 256 random bits."""
    return f"sk-tg-{secrets.token_urlsafe(32)}"


def secret_sha256(secret: str) -> str:
    """Give what a token or code is stored and found by."""
    return hashlib.sha256(secret.encode()).hexdigest()


def secret_hint(secret: str) -> str:
    """Give what people tell tokens apart by: the first 8 characters and the last 4."""
    return f"{secret[:8]}...{secret[-4:]}"
