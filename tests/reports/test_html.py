"""The HTML report: whole, self-contained, safe, and never wrong about a miss."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile

from contrafact.core.errors import ReportError
from contrafact.core.results import Interval, Unattributed
from contrafact.reports import Sound, headline, render_html

VOID = {"meta", "br", "hr", "img", "input", "link"}
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*7 }}&"


class Page(HTMLParser):
    """What a browser's parser sees: tags, attributes, text, balance."""

    def __init__(self, source):
        """Parse the whole source."""
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Keep the tag; expect its end unless it has none."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Keep a tag that closes itself, as in SVG."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """Demand that tags end in the order they began."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Keep visible text; style and script are not text."""
        if not self.open or self.open[-1] not in {"style", "script"}:
            self.texts.append(data)

    def all(self, tag):
        """Return the attributes of every such tag."""
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        """All visible text, with single blanks."""
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def source(make):
    """The report of a whole result."""
    return render_html(make.inputs())


@pytest.fixture(scope="module")
def page(source):
    """The same, parsed."""
    return Page(source)


def test_report_has_every_section(page):
    """Song, shares, passages, check, meaning and provenance are all there."""
    ids = {attrs.get("id") for _, attrs in page.tags}
    assert {"shares", "passages", "verification", "meaning", "provenance"} <= ids
    for words in ("Artists", "Collections", "Works", "Recordings", "14 other artists"):
        assert words in page.text
    assert "Influence is evidence, never proof of copying" in page.text
    assert "Influence was not calibrated" in page.text


def test_markup_is_balanced_and_ids_are_unique(page):
    """Every tag is closed, and links and controls find their target."""
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    names = ("aria-labelledby", "aria-controls")
    asked = {a[n] for _, a in page.tags for n in names if n in a}
    asked |= {a["href"][1:] for a in page.all("a")}
    assert asked <= set(ids)


def test_report_says_the_headline_first(page, make):
    """The sentence of the report is the sentence of the command line."""
    expected = headline(make.attribution())
    assert expected in page.text.replace("\u00a0", " ").replace(" ,", ",")


def test_report_asks_nothing_of_the_network(source, page):
    """Every source is a data URI, every link a fragment, and policy forbids more."""
    for _, attrs in page.tags:
        assert attrs.get("src", "data:").startswith("data:")
        assert attrs.get("href", "#").startswith("#")
    addresses = re.findall(r"https?://[^\"'\s<]+", source)
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in source
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


@pytest.mark.parametrize("tag", ["script", "style"])
def test_policy_allows_the_page_its_own_style_and_script(source, page, tag):
    """The hashes in the policy are those of what the page holds."""
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    (inner,) = re.findall(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
    assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not any("style" in a or "onclick" in a for _, a in page.tags)


def test_sounds_decode_to_what_was_given(page, make):
    """The embedded MP3 of the song is the song: same length, same waveform."""
    uri = page.all("audio")[0]["src"]
    kind, _, data = uri.partition(",")
    assert kind == "data:audio/mpeg;base64"
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data)))
    original = make.inputs().query_sound.samples[0]
    n = min(len(samples), len(original))
    assert rate == 16_000
    assert abs(len(samples) - len(original)) < 0.1 * rate
    assert np.corrcoef(samples[:n], original[:n])[0, 1] > 0.95
    assert len(page.all("audio")) == 1 + 5 * 2 + 4


def test_passages_are_cut_from_recordings_but_given_passages_are_kept(make):
    """A sound of the passage's own length is not cut a second time."""
    whole = make.inputs()
    first = whole.attribution.passages[1]
    given = {first.recording_id: make.tone(5, 2.5)}
    page = Page(render_html(replace(whole, recording_sounds=given)))
    found = [a for a in page.all("div") if "data-duration" in a]
    of_recordings = [a for a in found if " of No. " in a["data-label"]]
    assert [a["data-duration"] for a in of_recordings] == ["2.500"]
    assert page.text.count("was not at hand") == 4


def test_report_is_small_and_the_same_every_time(source, make):
    """A report can be mailed, and the same result gives the same bytes."""
    assert len(source) < 1_000_000
    slower = replace(make.attribution(), elapsed_s=99.0)
    assert render_html(make.inputs(attribution=slower)) == source


def test_hostile_text_is_inert_everywhere(make):
    """No foreign text becomes a tag, an attribute or a template expression."""
    whole = make.inputs()
    a = whole.attribution
    bad = replace(
        a,
        attribution_id=HOSTILE,
        query=replace(a.query, file=HOSTILE + "\ud800", prompt=HOSTILE),
        model_id=HOSTILE,
        estimator=HOSTILE,
        settings={HOSTILE: HOSTILE},
        provenance={HOSTILE: HOSTILE},
        command=HOSTILE,
        tables={
            kind: tuple(replace(s, name=HOSTILE, id=HOSTILE) for s in shares)
            for kind, shares in a.tables.items()
        },
        passages=tuple(
            replace(p, title=HOSTILE, artist=HOSTILE, recording_id=HOSTILE)
            for p in a.passages
        ),
    )
    source = render_html(
        replace(whole, attribution=bad, recording_sounds={HOSTILE: make.tone(1, 11)})
    )
    page = Page(source)
    assert len(page.all("script")) == 1
    assert page.all("img") == []
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    assert "alert(1)</script>" in page.text
    assert "{{ 7*7 }}" in page.text
    source.encode("utf-8")


def test_report_without_verification_says_so_and_how_to_get_it(make):
    """An unchecked answer is called unchecked, beside the command that checks."""
    bare = make.inputs(verification=None, regenerated={}, training_curve=None)
    text = Page(render_html(bare)).text
    assert "has not been checked" in text
    assert f"contrafact verify {bare.attribution.attribution_id}" in text


def test_report_states_a_miss(make):
    """A verification that failed is not dressed up."""
    missed = make.inputs(verification=make.verification(0.01, 0.02, 0.015))
    text = Page(render_html(missed)).text
    assert "this answer is not confirmed" in text
    assert "supports the answer" not in text


def test_numbers_that_do_not_exist_are_dashes(make):
    """Neither nan, inf nor None is ever printed or drawn."""
    nan = float("nan")
    whole = make.inputs()
    a = whole.attribution
    none = Interval(low=nan, high=float("inf"))
    lost = {
        kind: tuple(
            replace(
                s,
                interval=none,
                influence=nan,
                influence_interval=none,
                of_learned=None,
                common=nan,
            )
            for s in shares
        )
        for kind, shares in a.tables.items()
    }
    a = replace(
        a,
        tables=lost,
        query=replace(a.query, loss=nan, untrained_loss=None, duration_s=nan),
        settings={"damping": nan, "draws": [1.0, nan], "seed": None},
        passages=(replace(a.passages[0], query_start_s=nan, influence=nan),),
    )
    sound = Sound(samples=np.full((2, 16_000), np.nan, np.float32), sample_rate=16_000)
    rises = make.verification(nan, 0.1, float("inf"))
    curve = [(0, nan), (1, 0.5), (2, 0.4)]
    page = Page(
        render_html(
            replace(
                whole,
                attribution=a,
                verification=rises,
                query_sound=sound,
                training_curve=curve,
            )
        )
    )
    drawn = {"x", "x1", "x2", "width", "d", "data-duration", "aria-label"}
    kept = [v for _, attrs in page.tags for k, v in attrs.items() if k in drawn]
    words = re.findall(r"[a-z]+", " ".join([page.text, *kept]).lower())
    assert {"nan", "inf", "none", "undefined"}.isdisjoint(words)


def test_all_unattributed_and_no_passages(make):
    """A song that nobody shaped measurably still gets a whole report."""
    a = make.attribution(24)
    zero = tuple(make.share(f"A{i}", 0.0, influence=-0.001) for i in range(3))
    rest = Unattributed(share=1.0, interval=Interval(low=1, high=1), n_sources=3)
    a = replace(
        a,
        tables={"artist": zero},
        unattributed={"artist": rest},
        passages=(),
        n_recordings=1,
    )
    page = Page(render_html(make.inputs(attribution=a)))
    assert "100 % unattributed" in page.text
    assert "No passage stood out" in page.text
    assert "3 artists have a negative influence" in page.text


def test_empty_and_odd_sounds_do_not_stop_the_report(make):
    """No samples, silence, and a rate MP3 does not know are all reported on."""
    empty = Sound(samples=np.zeros((1, 0), np.float32), sample_rate=16_000)
    silent = Sound(samples=np.zeros((2, 8_000), np.float32), sample_rate=16_000)
    odd = make.tone(3, 1.0, 17_500)
    page = Page(
        render_html(
            make.inputs(query_sound=empty, regenerated={"named": silent, "random": odd})
        )
    )
    kinds = {a["src"].partition(";")[0] for a in page.all("audio")}
    assert kinds == {"data:audio/mpeg", "data:audio/flac"}
    assert "No sound to play" in page.text


def test_a_baseline_is_called_one(make):
    """Scores of a baseline estimator are not sold as influence."""
    baseline = replace(make.attribution(24), estimator="similarity")
    assert "is a baseline" in Page(render_html(make.inputs(attribution=baseline))).text


def test_long_names_survive(make):
    """A name of thousands of letters is shortened, not spilled."""
    a = make.attribution(24)
    long = tuple(replace(s, name="w" * 9000) for s in a.tables["artist"])
    a = replace(a, tables={**a.tables, "artist": long})
    assert "w" * 301 not in render_html(make.inputs(attribution=a))


def test_sound_of_another_shape_is_refused():
    """Samples without a channel axis are an error that says what to do."""
    with pytest.raises(ReportError, match="Add the channel axis"):
        Sound(samples=np.zeros(10, np.float32), sample_rate=16_000)
