"""How models are trained: the named recipes of the studio."""

from __future__ import annotations

from dataclasses import dataclass

from contrafact.core.errors import ConfigError
from contrafact.generators.studio.network import NetworkConfig
from contrafact.generators.studio.training import TrainingConfig

__all__ = ["RECIPES", "Recipe", "find_recipe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A network and how it is trained.

    Attributes:
        name: What it is called.
        purpose: When to use it.
    """

    name: str
    purpose: str
    network: NetworkConfig
    training: TrainingConfig


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="tiny",
            purpose="seconds; for tests, learns next to nothing",
            network=NetworkConfig(n_layers=1, n_heads=2, head_width=16),
            training=TrainingConfig(n_steps=60, batch_size=8),
        ),
        Recipe(
            name="brief",
            purpose="half a minute on one core; sees every recording about seven times",
            network=NetworkConfig(),
            training=TrainingConfig(n_steps=112, learning_rate=5e-3),
        ),
        Recipe(
            name="quick",
            purpose="a minute or two on one core; the demo's",
            network=NetworkConfig(),
            training=TrainingConfig(n_steps=450, learning_rate=5e-3),
        ),
        Recipe(
            name="full",
            purpose="half an hour to an hour on one core; the shipped model's",
            network=NetworkConfig(n_layers=4, n_heads=6),
            training=TrainingConfig(
                n_steps=3000, learning_rate=2.5e-3, averaging=0.995
            ),
        ),
    )
}


def find_recipe(name: str) -> Recipe:
    """Return the recipe of this name.

    Raises:
        ConfigError: If there is none.
    """
    if name not in RECIPES:
        raise ConfigError(f"No recipe {name!r}; there are {', '.join(RECIPES)}.")
    return RECIPES[name]
