"""What Alembic runs: the migrations, on the connection it is handed.

`_migrate.py` opens the connection and the transaction. To write a new
migration, copy the newest file in `versions/`, and change `_schema.py` with it.
"""

from __future__ import annotations

from alembic import context

from contrafact.catalog._schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,
)
context.run_migrations()
