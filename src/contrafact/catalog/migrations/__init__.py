"""Alembic migrations of the catalog's database; run when it is opened."""
