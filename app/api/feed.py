"""The incidents of the status page as an Atom feed (RFC 4287)."""

import datetime as dt
from xml.sax.saxutils import escape, quoteattr

from app.api.schemas.site import Incident, StatusView


def feed(name: str, page: StatusView, base_url: str) -> str:
    """Give the feed; an incident that ends is an entry that was updated."""
    moments = [each.ended_at or each.began_at for each in page.incidents]
    updated = max(moments, default=page.at.replace(hour=0, minute=0, second=0, microsecond=0))
    link = f"<link href={quoteattr(base_url + '/status')}/>" if base_url else ""
    entries = "".join(_entry(each) for each in page.incidents)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>urn:tallygate:status</id><title>{_text(name)}: status</title>{link}"
        f"<author><name>{_text(name)}</name></author><updated>{_stamp(updated)}</updated>{entries}</feed>\n"
    )


def _entry(incident: Incident) -> str:
    over = incident.ended_at is not None
    title = f"{incident.model} {'was' if over else 'is'} not available"
    text = f"From {_stamp(incident.began_at)}" + (
        f" to {_stamp(incident.ended_at)}." if incident.ended_at else ", still."
    )
    return (
        f"<entry><id>urn:uuid:{_text(incident.id)}</id><title>{_text(title)}</title>"
        f"<published>{_stamp(incident.began_at)}</published>"
        f"<updated>{_stamp(incident.ended_at or incident.began_at)}</updated><content>{_text(text)}</content></entry>"
    )


def _text(text: str) -> str:
    # XML has no way to write control characters at all.
    return escape("".join(character for character in text if character.isprintable()))


def _stamp(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
