"""From a payload to coded bits and back: a checksum, and a convolutional code.

The checksum makes "no watermark" the answer to sound that has none: what is
read there is as good as random, and random bits pass it once in 65,536 times.

References:
    Viterbi, "Error bounds for convolutional codes", IEEE Trans. Information
    Theory 1967. The generators (557, 663, 711 octal) are those of constraint
    length 9 and rate 1/3 in the tables of Proakis, "Digital Communications".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from contrafact.matching.watermarks.base import Bits

__all__ = [
    "N_CHECK",
    "N_CODED",
    "N_PAYLOAD",
    "checksum",
    "decode",
    "encode",
    "passes",
]

N_PAYLOAD, N_CHECK = 16, 16
_MEMORY = 8
_GENERATORS = (0o557, 0o663, 0o711)
N_CODED = (N_PAYLOAD + N_CHECK + _MEMORY) * len(_GENERATORS)
"""Coded bits of one message: payload, checksum and tail, three bits each."""

Soft = NDArray[np.float64]


def _outputs() -> NDArray[np.float64]:
    """Return what each state and input bit send, ±1, `(state, input, generator)`."""
    states = np.arange(1 << _MEMORY)
    words = states[:, None] | (np.arange(2)[None, :] << _MEMORY)
    parity = [np.bitwise_count(words & g) & 1 for g in _GENERATORS]
    sent: NDArray[np.float64] = 2.0 * np.stack(parity, axis=-1) - 1.0
    return sent


_SENT = _outputs()
_STATES = np.arange(1 << _MEMORY)
# A state is the last eight input bits, the newest highest.
_BEFORE = ((_STATES << 1) & 0xFF)[:, None] | np.arange(2)[None, :]
_INPUT = _STATES >> (_MEMORY - 1)


def checksum(payload: Bits) -> Bits:
    """Return the CRC-16-CCITT of a payload, `(16,)`, most significant bit first."""
    register = 0xFFFF
    for bit in payload:
        is_set = bool(register & 0x8000) ^ bool(bit)
        register = ((register << 1) & 0xFFFF) ^ (0x1021 if is_set else 0)
    return np.array([register >> i & 1 for i in range(15, -1, -1)], dtype=np.uint8)


def encode(payload: Bits) -> Bits:
    """Return the coded bits of a payload, `(N_CODED,)`."""
    info = [*payload, *checksum(payload), *([0] * _MEMORY)]
    state, sent = 0, []
    for bit in info:
        sent.append(_SENT[state, int(bit)])
        state = (state >> 1) | (int(bit) << (_MEMORY - 1))
    coded: Bits = (np.concatenate(sent) > 0).astype(np.uint8)
    return coded


def decode(soft: Soft) -> Bits:
    """Return the likeliest payload and checksum of each message.

    Args:
        soft: `(n_messages, N_CODED)`; positive for 1, larger when surer.

    Returns:
        `(n_messages, N_PAYLOAD + N_CHECK)`.
    """
    n_messages, n_steps = len(soft), N_CODED // len(_GENERATORS)
    parts = soft.reshape(n_messages, n_steps, len(_GENERATORS))
    metric = np.full((n_messages, 1 << _MEMORY), -np.inf)
    metric[:, 0] = 0.0
    chosen = np.zeros((n_steps, n_messages, 1 << _MEMORY), dtype=np.int64)
    sent = _SENT[_BEFORE, _INPUT[:, None]]  # (state, which of two before, generator)
    for step in range(n_steps):
        gains = np.einsum("mg,sbg->msb", parts[:, step], sent)
        reached = metric[:, _BEFORE] + gains
        best = reached.argmax(axis=2)
        chosen[step] = np.take_along_axis(_BEFORE[None], best[..., None], 2)[..., 0]
        metric = reached.max(axis=2)
    state = np.zeros(n_messages, dtype=np.int64)
    bits = np.zeros((n_messages, n_steps), dtype=np.uint8)
    for step in range(n_steps - 1, -1, -1):
        bits[:, step] = _INPUT[state]
        state = chosen[step, np.arange(n_messages), state]
    return bits[:, : N_PAYLOAD + N_CHECK]


def passes(message: Bits) -> bool:
    """Tell whether a payload and its checksum agree."""
    return bool((checksum(message[:N_PAYLOAD]) == message[N_PAYLOAD:]).all())
