"""A source's secret, looked up when it is used."""

from config.tables.secrets import Secret, SecretUnusable
from connectors.port import SourceRefused


def reveal(secret: Secret, source: str) -> str:
    """Return a secret as it is now. Raises SourceRefused where it cannot be looked up."""
    try:
        return secret.reveal()
    except SecretUnusable as error:
        raise SourceRefused(
            f"{source} cannot be asked: {error}", f"Then try: clearance check {source.split(maxsplit=1)[0]}."
        ) from None
