"""Songs of the studio's shipped model followed through what breaks marks, and cost."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import soxr
import torch
from material import RATE, STUDIO, delivered, features, heard
from measuring import answers, calibrated
from resisting import CODEC_PASS, makers
from setting import Setting

from contrafact.generators import load_generator
from contrafact.matching.origin.chain import RATE as HEARD_RATE
from contrafact.matching.origin.likelihood import mean_loss
from contrafact.matching.origin.nulls import Null
from contrafact.matching.origin.reconstruction import reconstruction_score
from contrafact.workflows.models import SHIPPED

__all__ = ["measure_songs", "measure_speed"]

N_SONGS, N_PEOPLE = 6, 16
STEPS = ("clean", "MP3 64k", "pitch +2", "through another codec")
PROMPTS = ("a slow waltz for piano in g major", "reel for fiddle in d major, fast",
           "chorale in a minor for church organ", "string quartet in c major, lively",
           "rag for piano in f major", "madrigal for voices in f major")  # fmt: skip


def _songs(setting: Setting) -> list[Any]:
    path = setting.folder / "songs.npz"
    if not path.exists():
        model = load_generator(SHIPPED)
        batch = model.sample(
            PROMPTS,
            n_tokens=[model.max_tokens] * N_SONGS,
            seed=3,
            n_steps=24,
            guidance=2.0,
        )
        audio = model.decode(batch.latents)[:, 0]
        audio = 0.7 * audio / audio.abs().amax(1, keepdim=True)
        np.savez(path, songs=audio.numpy(), rate=model.sample_rate)
    with np.load(path) as kept:
        return [
            np.asarray(soxr.resample(song, int(kept["rate"]), RATE), np.float32)
            for song in kept["songs"]
        ]


def measure_songs(setting: Setting) -> dict[str, Any]:
    """Return what is said of songs after each step, by residual and by the model.

    The class `studio` was enrolled from recordings that went through its codec;
    these are songs that the whole model made.
    """
    calibration = calibrated(setting.classes, setting.people)
    changes = makers(setting)
    songs = [delivered(s) for s in _songs(setting)]
    model = load_generator(SHIPPED)
    nulls = _model_nulls(setting, model)
    rows: dict[str, Any] = {}
    for step in STEPS:
        out = songs if step == "clean" else list(changes[step](songs))
        said = answers(
            calibration, features(setting.folder / "songs", step, lambda o=out: o)
        )
        asked = [
            np.asarray(soxr.resample(s, RATE, HEARD_RATE), np.float32) for s in out[:3]
        ]
        rows[step] = {
            "residual": [
                {"verdict": "ai" if a.is_ai else "unknown", "named": a.named,
                 "nearest": a.nearest, "p_value": _short(a.p_value),
                 "scale": round(a.scale, 4)}
                for a in said[:3]
            ],
            "n_called_ai": sum(a.is_ai for a in said),
            "n_nearest_studio": sum(a.nearest == STUDIO for a in said),
            "n": len(said),
            "reconstruction_p": [
                _short(nulls[0].p_value(reconstruction_score(model, s))) for s in asked
            ],
            "likelihood_p": [
                _short(nulls[1].p_value(-mean_loss(model, s))) for s in asked
            ],
        }  # fmt: skip
    return {"other_codec": CODEC_PASS, "steps": rows}


def _short(value: float) -> float:
    return float(f"{value:.3g}")


def _model_nulls(setting: Setting, model: Any) -> tuple[Null, Null]:
    path = setting.folder / "model-nulls-2.npz"
    if not path.exists():
        torch.set_num_threads(1)
        people = [
            np.asarray(soxr.resample(s, RATE, HEARD_RATE), np.float32)
            for s in setting.sounds("none")[:N_PEOPLE]
        ]
        np.savez(
            path,
            reconstruction=[reconstruction_score(model, s) for s in people],
            likelihood=[-mean_loss(model, s) for s in people],
        )
    with np.load(path) as kept:
        return Null.of(kept["reconstruction"]), Null.of(kept["likelihood"])


def measure_speed(setting: Setting) -> dict[str, Any]:
    """Return processor seconds for a minute of sound in memory, all classes asked."""
    calibration = calibrated(setting.classes, setting.people)
    minute = np.tile(setting.sounds("none")[0], 3)[: 60 * RATE]
    spent = []
    for _ in range(5):
        started = time.process_time()
        row = heard(minute).rows[0]
        calibration.scores(row.values)
        spent.append(time.process_time() - started)
    return {
        "seconds_a_minute": round(float(np.median(spent)), 3),
        "n_classes": len(setting.classes),
        "what": "resampling from 32 kHz, spectrum, comb, all classes at all scales",
    }
