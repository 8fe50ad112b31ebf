"""What people administer: the one way to change it, and to read it as it stands."""

from adapters.postgres.admin_store import HistoryEntry, Page, Stored
from app.administration.bulk import ITEMS_MAX, BulkStep
from app.administration.service import Administration
from app.administration.token_secrets import new_token_secret, secret_hint, secret_sha256

__all__ = [
    "ITEMS_MAX",
    "Administration",
    "BulkStep",
    "HistoryEntry",
    "Page",
    "Stored",
    "new_token_secret",
    "secret_hint",
    "secret_sha256",
]
