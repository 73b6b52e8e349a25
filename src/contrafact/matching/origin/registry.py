"""The registry of generators: enrolled from files, asked about a file.

A folder with two files a class: what it is (`.json`) and its residuals
(`.npz`). The sound itself is not kept. What is worked out from all classes
together is kept beside them and made again when a class comes or goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from contrafact.core.errors import AudioError, EnrolmentError
from contrafact.core.matches import OriginEvidence, OriginFinding
from contrafact.core.units import Seconds
from contrafact.matching.origin._files import (
    Enrolled,
    Source,
    now,
    read_classes,
    remove_class,
    write_class,
)
from contrafact.matching.origin._keeping import (
    forget_calibration,
    keep_calibration,
    kept_calibration,
    key_of,
)
from contrafact.matching.origin.calibration import (
    MIN_HUMANS,
    Calibration,
    Rows,
    calibrate,
)
from contrafact.matching.origin.declared import declared_evidence
from contrafact.matching.origin.figures import Figure, figure_of
from contrafact.matching.origin.hearing import Heard, hear
from contrafact.matching.origin.joining import Rules, decide

__all__ = ["MIN_ENROLMENT_S", "OriginRegistry"]

MIN_ENROLMENT_S: Seconds = 20.0
"""Sound below which a class is not enrolled: its mean would be its music."""
_MIN_ROWS = 2
Progress = Callable[[int, int], None]


class OriginRegistry:
    """The generators, and the people, that are known by their sound."""

    def __init__(self, directory: Path, classes: dict[str, Enrolled]) -> None:
        """Hold classes; `open` reads them."""
        self._directory = directory
        self._classes = classes
        self._calibration: Calibration | None = None
        self._is_calibrated = False

    @classmethod
    def open(cls, directory: str | Path) -> Self:
        """Return the registry in a folder; it is made at the first enrolment.

        Raises:
            MatchIndexError: If a file of it is damaged.
        """
        return cls(Path(directory), read_classes(Path(directory)))

    def names(self) -> list[str]:
        """Return the names of all classes, people included, in order."""
        return sorted(self._classes)

    def classes(self) -> list[Enrolled]:
        """Return what is known of each class, by name."""
        return [self._classes[name] for name in self.names()]

    def enroll(
        self,
        name: str,
        paths: Sequence[str | Path],
        *,
        is_human: bool = False,
        source: str = "",
        model: str = "",
        progress: Callable[[int, int], None] | None = None,
    ) -> Enrolled:
        """Enrol a class from files, or add files to it.

        Args:
            name: What it will be called.
            paths: Recordings it made; of each, the middle minute is listened to.
            is_human: Whether people made them.
            source: Where they are from, in words.
            model: Digest of the model that made them, if it is held.
            progress: Called with files done and files in all.

        Returns:
            The class as it now is.

        Raises:
            EnrolmentError: If the name or the files are of no use: too little
                sound, files that belong to another class, or none that is new.
            AudioError: If a file cannot be read.
            StorageError: If it cannot be written.
        """
        before = self._classes.get(_checked(name))
        if before and before.is_human != is_human:
            kind = "people" if before.is_human else "a generator"
            raise EnrolmentError(f"{name} is enrolled as {kind}. Choose another name.")
        heard = list(self._heard(name, paths, progress))
        enrolled = _joined(
            before,
            heard,
            Enrolled.empty(
                name, is_human=is_human, source=source, model=model, date=now()
            ),
        )
        seconds = sum(s.duration_s for s in enrolled.sources)
        if seconds < MIN_ENROLMENT_S or len(enrolled.values) < _MIN_ROWS:
            raise EnrolmentError(
                f"{name} has {seconds:.1f} s of sound in {len(enrolled.values)} "
                f"part(s); at least {MIN_ENROLMENT_S:g} s in {_MIN_ROWS} parts are "
                "needed to tell a generator from its music. Give more files."
            )
        write_class(self._directory, enrolled)
        self._classes[name] = enrolled
        self._is_calibrated = False
        return enrolled

    def _heard(
        self, name: str, paths: Sequence[str | Path], progress: Progress | None
    ) -> Iterator[Heard]:
        known = {s.digest: c.name for c in self.classes() for s in c.sources}
        n_new = 0
        for i, path in enumerate(paths):
            try:
                heard = hear(path, in_pieces=True)
            except AudioError as error:
                raise EnrolmentError(f"{name} cannot be enrolled: {error}") from error
            owner = known.get(heard.digest)
            if owner not in (None, name):
                raise EnrolmentError(
                    f"{path} is enrolled as {owner}, so {name} would be the same. "
                    f"Remove {owner} first, or give other files."
                )
            if owner is None:
                known[heard.digest] = name
                n_new += 1
                yield heard
            if progress:
                progress(i + 1, len(paths))
        if not n_new:
            raise EnrolmentError(
                f"None of the {len(paths)} file(s) is new to {name}. Give others."
            )

    def remove(self, name: str) -> None:
        """Forget a class.

        Raises:
            EnrolmentError: If there is none of this name.
            StorageError: If its files cannot be removed.
        """
        self.find(name)
        remove_class(self._directory, name)
        forget_calibration(self._directory)
        del self._classes[name]
        self._is_calibrated = False

    def find(self, name: str) -> Enrolled:
        """Return the class of this name.

        Raises:
            EnrolmentError: If there is none.
        """
        if name not in self._classes:
            known = ", ".join(self.names()) or "nothing"
            raise EnrolmentError(f"{name} is not enrolled; {known} is.")
        return self._classes[name]

    def calibration(self) -> Calibration | None:
        """Return templates and nulls of all classes; None if too few are enrolled.

        It takes a generator and `MIN_HUMANS` recordings by people. It is worked out
        once, which takes seconds, and kept in the folder.
        """
        if not self._is_calibrated:
            self._calibration = self._kept_or_calibrated()
            self._is_calibrated = True
        return self._calibration

    def _kept_or_calibrated(self) -> Calibration | None:
        key = key_of(self.classes())
        found = kept_calibration(self._directory, key)
        if found is None:
            found = self._calibrated()
            if found is not None:
                keep_calibration(self._directory, key, found)
        return found

    def _calibrated(self) -> Calibration | None:
        generators = {c.name: c.rows() for c in self.classes() if not c.is_human}
        people = [c for c in self.classes() if c.is_human]
        if not generators or sum(len(c.sources) for c in people) < MIN_HUMANS:
            return None
        offsets = np.cumsum([0, *(len(c.sources) for c in people)])
        humans = Rows(
            values=np.concatenate([c.values for c in people]).astype(np.float64),
            sources=np.concatenate(
                [c.groups + o for c, o in zip(people, offsets[:-1], strict=True)]
            ),
        )
        combs = [score for c in people for score in c.comb_scores]
        return calibrate(generators, humans, combs)

    def identify(
        self,
        path: str | Path,
        *,
        others: Sequence[OriginEvidence] = (),
        rules: Rules | None = None,
    ) -> OriginFinding:
        """Return who made a recording, as far as it can be said.

        Args:
            path: Any audio file; the middle minute is listened to.
            others: Evidence found elsewhere, such as credentials, a register of
                outputs, or models that are held.
            rules: When what is said.

        Returns:
            The verdict with its evidence. It is `unknown` where too little is
            enrolled to state rates, unless the file declares a generator.

        Raises:
            AudioError: If the file cannot be read, is silent, or under 4 s.
        """
        heard = hear(path)
        told = [*declared_evidence(Path(path)), *others]
        return decide(heard, self.calibration(), others=told, rules=rules)

    def figure(self, path: str | Path) -> Figure | None:
        """Return what can be shown of a recording beside its nearest class.

        None where too little is enrolled.

        Raises:
            AudioError: If the file cannot be read, is silent, or under 4 s.
        """
        calibration = self.calibration()
        return figure_of(hear(path), calibration) if calibration else None


def _checked(name: str) -> str:
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise EnrolmentError(
            f"{name!r} cannot be the name of a class: give 1 to 100 printable "
            "characters."
        )
    return name


def _joined(before: Enrolled | None, heard: Sequence[Heard], new: Enrolled) -> Enrolled:
    """Return a class with recordings added to it."""
    base = before or new
    first = len(base.sources)
    rows = [(i + first, row) for i, h in enumerate(heard) for row in h.rows]
    return base.with_rows(
        sources=[
            Source(
                digest=h.digest,
                name=h.name,
                native_rate=h.native_rate,
                duration_s=h.duration_s,
                band_limit_hz=h.band_limit_hz,
                path=h.path,
            )
            for h in heard
        ],
        values=np.array([row.values for _, row in rows], np.float16).astype(np.float32),
        groups=np.array([i for i, _ in rows], np.int64),
        comb_scores=[row.comb.score for _, row in rows],
        comb_spacings=[row.comb.spacing_hz for _, row in rows],
    )
