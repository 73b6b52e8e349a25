"""Learned encoders: published networks that hear likeness, from the user's weights.

Nothing is fetched. Who has the weights of CLEWS, MuQ, MERT or CLAP gets one layer
more beside the others: windows of audio become vectors, and p-values say how seldom
music of other works is as alike. What is found is likeness, not influence.
"""

from contrafact.matching.encoders.base import Embedding, Encoder, heard_windows
from contrafact.matching.encoders.index import EncoderIndex
from contrafact.matching.encoders.registry import ENCODERS, KnownEncoder, load_encoder

__all__ = [
    "ENCODERS",
    "Embedding",
    "Encoder",
    "EncoderIndex",
    "KnownEncoder",
    "heard_windows",
    "load_encoder",
]
