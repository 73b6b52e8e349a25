from __future__ import annotations

import numpy as np
import pytest

from contrafact.matching.watermarks.bits import (
    N_CODED,
    N_PAYLOAD,
    checksum,
    decode,
    encode,
    passes,
)


def payloads(n: int) -> np.ndarray:
    """Return random payloads, `(n, 16)`."""
    return np.random.default_rng(0).integers(0, 2, (n, N_PAYLOAD)).astype(np.uint8)


def test_what_is_encoded_is_decoded() -> None:
    """Coded bits without noise give payload and checksum back."""
    sent = payloads(8)
    read = decode(np.stack([2.0 * encode(p) - 1.0 for p in sent]))
    assert (read[:, :N_PAYLOAD] == sent).all()
    assert all(passes(message) for message in read)


def test_a_tenth_of_the_coded_bits_may_be_wrong() -> None:
    """Twelve wrong coded bits in 120 do not harm the message."""
    rng = np.random.default_rng(1)
    for payload in payloads(6):
        soft = 2.0 * encode(payload) - 1.0
        soft[rng.choice(N_CODED, 12, replace=False)] *= -1
        assert (decode(soft[None])[0, :N_PAYLOAD] == payload).all()


def test_checksum_is_that_of_the_standard() -> None:
    """CRC-16-CCITT of the bytes 0x31 0x32 is 0x3DBA, by a slow, obvious division."""
    data = bytes([0x31, 0x32])
    register = 0xFFFF
    for byte in data:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1) ^ (0x1021 if register & 0x8000 else 0)
            register &= 0xFFFF
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))
    found = int("".join(map(str, checksum(bits))), 2)
    assert found == register == 0x3DBA


@pytest.mark.parametrize("bit", [0, 1])
def test_a_message_of_one_kind_of_bit_is_refused(bit: int) -> None:
    """All zeros and all ones, which silence may read as, fail the checksum."""
    assert not passes(np.full(32, bit, dtype=np.uint8))


def test_random_words_pass_as_seldom_as_designed() -> None:
    """Of 20,000 random words, 0.3 pass on average; more than 6 would be a fault."""
    rng = np.random.default_rng(2)
    words = rng.integers(0, 2, (20_000, 32)).astype(np.uint8)
    assert sum(passes(word) for word in words) <= 6
