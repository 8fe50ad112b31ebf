"""`tallygate openapi`: write the document of the REST API, for those who make clients from it."""

import click

from app.api.document import document_bytes


@click.command("openapi", short_help="Print the OpenAPI document of the REST API.")
def command() -> None:
    """Print the OpenAPI document of the REST API, as the server gives it at /api/openapi.json."""
    click.echo(document_bytes().decode())
