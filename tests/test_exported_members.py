"""What each module says it exports is there, is its own, and is described."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import contrafact

# Alembic runs these itself; they cannot be imported on their own.
_RUN_BY_ALEMBIC = "contrafact.catalog.migrations"

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(contrafact.__path__, "contrafact.")
    if not module.name.startswith(_RUN_BY_ALEMBIC)
)
PUBLIC = [name for name in MODULES if "._" not in name]
# Commands are reached through their group, and are named for it.
COMMANDS = "contrafact.cli."


@pytest.fixture(params=["contrafact", *PUBLIC])
def module(request: pytest.FixtureRequest) -> ModuleType:
    """Give every public module in turn."""
    return importlib.import_module(request.param)


def test_everything_listed_exists_once(module: ModuleType) -> None:
    """`__all__` names what is there, each once, and nothing private."""
    listed = list(getattr(module, "__all__", []))
    assert len(listed) == len(set(listed))
    assert [name for name in listed if not hasattr(module, name)] == []
    assert [n for n in listed if n.startswith("_") and n != "__version__"] == []


def test_everything_public_is_listed(module: ModuleType) -> None:
    """A function or class defined here without an underscore is in `__all__`."""
    if module.__name__.startswith(COMMANDS):
        return
    own = [
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]
    assert sorted(set(own) - set(getattr(module, "__all__", []))) == []


def test_everything_listed_is_described(module: ModuleType) -> None:
    """Every exported function and class has a docstring."""
    listed = {name: getattr(module, name) for name in getattr(module, "__all__", [])}
    assert [
        name
        for name, value in listed.items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and not inspect.getdoc(value)
    ] == []


def test_the_root_offers_what_it_lists() -> None:
    """`dir(contrafact)` shows the lazily imported names, and none is unknown."""
    assert set(contrafact.__all__) <= set(dir(contrafact))
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = contrafact.no_such_name
