"""Policies: which part of a pool goes to which source. One file per family."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from contrafact.core.errors import AllocationError
from contrafact.ledger.policies.base import Policy
from contrafact.ledger.policies.blended import BLENDED, reliability_of
from contrafact.ledger.policies.flat import EQUAL, MINUTES, RECORDINGS
from contrafact.ledger.policies.influence import INFLUENCE, USER_CENTRIC
from contrafact.ledger.policies.shapley import SHAPLEY

__all__ = ["POLICIES", "Policy", "find_policy", "reliability_of"]

_ALL = (EQUAL, RECORDINGS, MINUTES, INFLUENCE, USER_CENTRIC, SHAPLEY, BLENDED)
POLICIES: Mapping[str, Policy] = MappingProxyType({p.name: p for p in _ALL})
"""Every policy, by name."""


def find_policy(name: str) -> Policy:
    """Return the policy of this name.

    Raises:
        AllocationError: If there is none.
    """
    try:
        return POLICIES[name]
    except KeyError:
        raise AllocationError(
            f"There is no policy '{name}'. Known ones are {', '.join(POLICIES)}."
        ) from None
