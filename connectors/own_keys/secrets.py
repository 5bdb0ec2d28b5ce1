"""A source's secret, read when it is used."""

from config.tables.secrets import Secret, SecretUnusable
from connectors.port import SourceRefused
from foundation.translation import tr


def reveal(secret: Secret, source: str) -> str:
    """Return a secret as it is now. Raises SourceRefused where it cannot be read."""
    try:
        return secret.reveal()
    except SecretUnusable as error:
        raise SourceRefused(
            tr("{source} cannot be queried: {error}", source=source, error=error),
            tr("run clearance check {source}.", source=source.split(maxsplit=1)[0]),
            has_fix=True,
        ) from None
