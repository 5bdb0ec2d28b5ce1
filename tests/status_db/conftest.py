"""What tests of backups may ask for."""

from tests.status_db.house import elsewhere, house, sqlite_house

__all__ = ["elsewhere", "house", "sqlite_house"]
