"""Who is owed what: exact arithmetic from shares to money."""

from __future__ import annotations
