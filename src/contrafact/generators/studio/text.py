"""The studio's text encoder: words to states the transformer can attend to.

Learned from scratch with the transformer; the vocabulary is the words of the
training captions, so nothing has to be downloaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from contrafact.core.errors import GeneratorError

__all__ = ["N_TEXT_HEADS", "TextEncoder", "Vocabulary", "split_words"]

N_TEXT_HEADS = 4
"""Attention heads of the text encoder, whose width they must divide."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*", re.UNICODE)
_N_UNKNOWN = 32  # words outside the vocabulary share this many entries


class Vocabulary:
    """Words and their numbers; 0 pads, 1 stands for "no prompt".

    Args:
        words: Each once; they are numbered in the order given.

    Raises:
        GeneratorError: If something is no word, or is there twice.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        is_text = all(isinstance(word, str) for word in self.words)
        if not is_text or len(set(self.words)) != len(self.words):
            raise GeneratorError(
                f"A vocabulary of {len(self.words)} entries holds something twice or "
                "something that is no text. List every word once."
            )
        self._first = 2 + _N_UNKNOWN
        self._number = {word: self._first + i for i, word in enumerate(words)}

    @classmethod
    def of(cls, captions: Iterable[str]) -> Vocabulary:
        """Return the vocabulary of these captions, in alphabetical order."""
        return cls(sorted({word for text in captions for word in split_words(text)}))

    def __len__(self) -> int:
        """Return how many numbers there are, reserved ones included."""
        return self._first + len(self.words)

    def numbers(self, text: str, *, at_most: int) -> list[int]:
        """Return the numbers of the words of `text`; `[1]` for an empty text."""
        words = split_words(text)[:at_most]
        return [self._number.get(word) or _unknown(word) for word in words] or [1]


def split_words(text: str) -> list[str]:
    """Return the words of `text`, case folded.

    Example:
        >>> split_words("A reel in D, by O'Neill")
        ['a', 'reel', 'in', 'd', 'by', "o'neill"]
    """
    return _WORD.findall(text.casefold())


def _unknown(word: str) -> int:
    return 2 + hashlib.sha256(word.encode()).digest()[0] % _N_UNKNOWN


class TextEncoder(nn.Module):
    """Word embeddings, one layer of self-attention, and their pooled mean."""

    def __init__(self, vocabulary: Vocabulary, *, width: int, n_text: int) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.n_text = n_text
        self.words = nn.Embedding(len(vocabulary), width)
        self.places = nn.Embedding(n_text, width)
        self.mix = nn.TransformerEncoderLayer(
            width, nhead=N_TEXT_HEADS, dim_feedforward=2 * width, dropout=0.0,
            batch_first=True, norm_first=True,
        )  # fmt: skip

    def number(self, texts: Sequence[str]) -> Tensor:
        """Return word numbers, `(batch, n_text)`, 0 where there is no word."""
        rows = [self.vocabulary.numbers(text, at_most=self.n_text) for text in texts]
        longest = max(len(row) for row in rows)
        padded = [row + [0] * (longest - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.long)

    def forward(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encode word numbers, `(batch, n_text)`.

        Returns:
            States `(batch, n_text, width)`, their mask `(batch, n_text)`, and
            the mean of the states over the words, `(batch, width)`.
        """
        mask = numbers > 0
        places = torch.arange(numbers.shape[1], device=numbers.device)
        states = self.words(numbers) + self.places(places)
        blocked = torch.zeros_like(states[..., 0]).masked_fill(~mask, -torch.inf)
        states = self.mix(states, src_key_padding_mask=blocked)
        weight = mask[..., None].to(states.dtype)
        return states, mask, (states * weight).sum(1) / weight.sum(1)
