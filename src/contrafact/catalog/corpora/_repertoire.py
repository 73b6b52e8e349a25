"""Who plays what: the collections of the `scores` corpus and their artists.

An artist is a composer or a tune book together with the instruments that play
it; nobody is invented. Instruments of one family occur in several collections,
so that the sound alone does not tell the collection. Data only.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REPERTOIRE", "Ensemble", "Pool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Instruments, and what they are called.

    Attributes:
        name: In the artist's name and the caption.
        plain: In the anonymous caption; other words for the same.
        programs: General MIDI programs; parts beyond them start again.
        shift: Semitones by which everything is played higher.
    """

    name: str
    plain: str
    programs: tuple[int, ...]
    shift: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Works of one kind from one collection, and the ensembles that share them.

    Attributes:
        group: Name of the collection.
        label: Who is named as rights holder.
        source: What the artist's name begins with.
        form: In the caption; `plain_form` in the anonymous one.
        paths: Glob below the music21 corpus.
        pattern: Finds the work's numbers in a path, or the form in an ABC tune.
        title: Format string over the pattern's groups; of tunes, which have
            titles of their own, the name of the book.
        tempo: Quarter notes per minute where the score names none.
        follows_score: Whether the score's own tempo marks are obeyed.
        n_parts: Least and most parts of a score that is taken.
        per_round: Passages taken from a work before the next has its turn.
        shares_passages: Whether all ensembles play the same passages, because
            there are too few for each to have its own.
    """

    group: str
    label: str
    source: str
    form: str
    plain_form: str
    paths: str
    pattern: str
    title: str
    tempo: float = 100.0
    follows_score: bool = False
    n_parts: tuple[int, int] = (1, 6)
    per_round: int = 3
    shares_passages: bool = False
    ensembles: tuple[Ensemble, ...]


_FIDDLE = Ensemble(name="fiddle", plain="violin", programs=(40,))
_FLUTE = Ensemble(name="flute", plain="wooden flute", programs=(73,))
_ACCORDION = Ensemble(name="accordion", plain="squeezebox", programs=(21,))
_BANJO = Ensemble(name="banjo", plain="plucked banjo", programs=(105,))
_PICCOLO = Ensemble(name="piccolo", plain="small flute", programs=(72,), shift=12)
_CLARINET = Ensemble(name="clarinet", plain="single reed", programs=(71,))
_RECORDER = Ensemble(name="recorder", plain="block flute", programs=(74,))
_BAGPIPE = Ensemble(name="bagpipe", plain="pipes", programs=(109,))
# Words for the anonymous caption, what a tune says of itself, quarters a minute.
_FORMS = {
    "reel": ("dance of running notes", r"reel", 200.0),
    "jig": ("dance of skipping notes", r"jig", 168.0),
    "hornpipe": ("dance of stepping notes", r"hornpipe|clog", 152.0),
}


def _tune_book(book: str, folder: str, **ensembles: Ensemble) -> tuple[Pool, ...]:
    """Return a pool for each form of a book's tunes; the keywords are forms."""
    return tuple(
        Pool(
            group=f"{book} tunes",
            label="music21 corpus: fiddle tunes",
            source=f"{book.split(maxsplit=1)[0]} {form}s",
            form=form,
            plain_form=_FORMS[form][0],
            paths=f"{folder}/*.abc",
            pattern=_FORMS[form][1],
            title=book,
            tempo=_FORMS[form][2],
            n_parts=(1, 1),
            ensembles=(ensemble,),
        )
        for form, ensemble in ensembles.items()
    )


def _quartets(
    source: str, paths: str, pattern: str, title: str, *ensembles: Ensemble
) -> Pool:
    return Pool(
        group=f"{source} quartets",
        label="music21 corpus: quartets",
        source=source,
        form="quartet",
        plain_form="chamber piece in four parts",
        paths=paths,
        pattern=pattern,
        title=title,
        tempo=112.0,
        follows_score=True,
        n_parts=(4, 4),
        per_round=6,
        ensembles=ensembles,
    )


REPERTOIRE: tuple[Pool, ...] = (
    Pool(
        group="Bach chorales",
        label="music21 corpus: chorales",
        source="Bach",
        form="chorale",
        plain_form="hymn",
        paths="bach/bwv*.mxl",
        pattern=r"bwv(\d+\.\d+|2[5-9]\d|[34]\d\d)\.mxl",
        title="Chorale BWV {0}",
        tempo=84.0,
        n_parts=(4, 8),
        ensembles=(
            Ensemble(name="church organ", plain="pipe organ", programs=(19,)),
            Ensemble(name="string ensemble", plain="massed strings", programs=(48,)),
            Ensemble(name="brass ensemble", plain="massed horns", programs=(61,)),
        ),
    ),
    Pool(
        group="Joplin rags",
        label="music21 corpus: piano",
        source="Joplin",
        form="rag",
        plain_form="syncopated march",
        paths="joplin/*.mxl",
        pattern=r"maple_leaf_rag",
        title="Maple Leaf Rag",
        tempo=76.0,
        shares_passages=True,
        ensembles=(
            Ensemble(name="honky-tonk piano", plain="saloon piano", programs=(3,)),
            Ensemble(name="marimba", plain="wooden bars", programs=(12,)),
        ),
    ),
    *_tune_book(
        "O'Neill's", "oneills1850", reel=_FIDDLE, jig=_FLUTE, hornpipe=_ACCORDION
    ),
    *_tune_book(
        "Ryan's Mammoth", "ryansMammoth", reel=_BANJO, jig=_PICCOLO, hornpipe=_CLARINET
    ),
    Pool(
        group="Aird's airs",
        label="music21 corpus: airs",
        source="Aird's airs",
        form="air",
        plain_form="old melody",
        paths="airdsAirs/*.abc",
        pattern="",
        title="Aird's",
        tempo=120.0,
        n_parts=(1, 1),
        ensembles=(_RECORDER, _BAGPIPE),
    ),
    _quartets(
        "Haydn",
        "haydn/*/*.mxl",
        r"opus(\d+)no(\d+)/movement(\d)",
        "String Quartet op. {0} no. {1}, movement {2}",
        Ensemble(
            name="string quartet", plain="four solo strings", programs=(40, 40, 41, 42)
        ),
        Ensemble(
            name="woodwind quartet", plain="four solo winds", programs=(73, 68, 71, 70)
        ),
    ),
    _quartets(
        "Mozart",
        "mozart/*/*.mxl",
        r"k(\d+)/movement(\d)\.",
        "String Quartet K. {0}, movement {1}",
        Ensemble(name="pizzicato strings", plain="plucked strings", programs=(45,)),
        Ensemble(name="clarinet choir", plain="single reeds", programs=(71,)),
        Ensemble(name="grand piano", plain="concert piano", programs=(0,)),
    ),
    _quartets(
        "Beethoven",
        "beethoven/*/*.mxl",
        r"opus(\d+)no(\d)/movement(\d)",
        "String Quartet op. {0} no. {1}, movement {2}",
        Ensemble(name="string orchestra", plain="many strings", programs=(49,)),
        Ensemble(
            name="brass quartet", plain="four solo horns", programs=(56, 56, 60, 57)
        ),
        Ensemble(name="electric piano", plain="electric keys", programs=(4,)),
    ),
    Pool(
        group="Monteverdi madrigals",
        label="music21 corpus: madrigals",
        source="Monteverdi",
        form="madrigal",
        plain_form="part song",
        paths="monteverdi/*.mxl",
        pattern=r"madrigal\.(\d)\.(\d+)\.mxl",
        title="Madrigal, book {0} no. {1}",
        tempo=108.0,
        n_parts=(4, 6),
        ensembles=(
            Ensemble(name="choir", plain="singers", programs=(52,)),
            Ensemble(name="recorder consort", plain="block flutes", programs=(74,)),
            Ensemble(name="lute", plain="plucked gut strings", programs=(24,)),
        ),
    ),
)
