"""Who changes things in tests that call the services themselves."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg  # noqa: F401  (before the store: Peewee uses what drivers it finds then)

from streamctl.store.database import Author

AUTHOR = Author("tester", "a test", lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))
