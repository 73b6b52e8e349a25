from __future__ import annotations

import pytest
import torch

from contrafact.core.errors import GeneratorError
from contrafact.generators.studio.text import TextEncoder, Vocabulary, split_words


@pytest.fixture
def encoder() -> TextEncoder:
    """A text encoder that reads four words."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vocabulary = Vocabulary.of(["a slow reel", "A Reel, fast!"])
        return TextEncoder(vocabulary, width=8, n_text=4).eval()


def test_vocabulary_is_the_captions_words_in_order() -> None:
    """Case and punctuation do not make other words; the order is alphabetical."""
    vocabulary = Vocabulary.of(["slow Reel", "reel, fast", ""])
    assert vocabulary.words == ("fast", "reel", "slow")
    assert vocabulary.numbers("REEL!", at_most=9) == vocabulary.numbers(
        "reel", at_most=9
    )


def test_known_words_have_numbers_of_their_own() -> None:
    """Known words differ from each other, from unknown ones and from no prompt."""
    vocabulary = Vocabulary(["fast", "reel"])
    fast, reel, jig = vocabulary.numbers("fast reel jig", at_most=9)
    assert len({fast, reel, jig, 0, 1}) == 5
    assert max(fast, reel) == len(vocabulary) - 1
    assert jig == vocabulary.numbers("jig", at_most=9)[0] < fast


@pytest.mark.parametrize("text", ["", "   ", "!?"])
def test_text_without_words_is_no_prompt(text: str) -> None:
    """An empty text still has a number, the one for no prompt."""
    assert Vocabulary(["reel"]).numbers(text, at_most=4) == [1]


def test_only_so_many_words_are_read() -> None:
    """Words after the first few are left out."""
    vocabulary = Vocabulary(["a", "b", "c"])
    assert len(vocabulary.numbers("a b c a b", at_most=3)) == 3


def test_words_keep_letters_of_any_script() -> None:
    """Accents and apostrophes stay inside words, underscores part them."""
    assert split_words("Für d’Élise_no. 2") == ["für", "d’élise", "no", "2"]


@pytest.mark.parametrize("words", [["reel", "reel"], ["reel", 3]])
def test_odd_vocabularies_are_refused(words: list[str]) -> None:
    """A word twice, or something else, is an error."""
    with pytest.raises(GeneratorError, match="once"):
        Vocabulary(words)


def test_padding_does_not_reach_the_words(encoder: TextEncoder) -> None:
    """A text's states and their mean are the same beside a longer text."""
    alone = encoder(encoder.number(["slow reel"]))
    states, mask, pooled = encoder(encoder.number(["slow reel", "a fast slow reel"]))
    assert mask.sum(1).tolist() == [2, 4]
    torch.testing.assert_close(states[:1, :2], alone[0])
    torch.testing.assert_close(pooled[:1], alone[2])


def test_order_of_words_matters(encoder: TextEncoder) -> None:
    """Places are encoded too."""
    _, _, pooled = encoder(encoder.number(["slow fast", "fast slow"]))
    assert not torch.allclose(pooled[0], pooled[1])
