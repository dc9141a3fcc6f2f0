"""The report: whole in one file, readable without colours or scripts, safe with any text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typing_extensions import override

from classifier.tuning.drift import summarise
from classifier.tuning.report import TuningReport, build_report
from classifier.tuning.samples import Sample, Samples
from classifier.tuning.targets import Budget, DeepShare, MaxDrop, Target
from classifier.tuning.thresholds import Thresholds
from models.errors import ConfigError
from serving.tuning import words
from serving.tuning.page import write_report
from tests.classifier.tuning.rows import drawn, prototypes, unit

HOSTILE = "<script>alert(1)</script>&.jsonl"


def log(size: int) -> Samples:
    found = drawn(size, tasks=("code", "chat"))
    return Samples.of(
        [
            Sample(
                task=str(found.tasks[i]),
                p_fast=float(found.p_fast[i]),
                fast_quality=float(found.fast[i]),
                deep_quality=float(found.deep[i]),
                fast_usd=0.0,
                deep_usd=0.004,
                when=1_764_000_000.0 + 60 * i,
                named_task="code" if i % 3 else "",
            )
            for i in range(size)
        ]
    )


def report(size: int, target: Target, *, source: str = "my.jsonl") -> TuningReport:
    samples, dice = log(size), np.random.default_rng(0)
    return build_report(
        samples,
        target,
        Thresholds(general=0.55),
        source=source,
        classifier="embedding-v1",
        baseline=replace(
            summarise("embedding-v1", samples.p_fast, samples.tasks.tolist()),
            prototypes=prototypes(dice),
        ),
        embeddings=[row.tobytes() for row in unit(dice.normal(size=(size, 8)))],
    )


class Page(HTMLParser):
    """The text of a page, what it loads, and whether its tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [str(v) for k, v in attrs if k in ("src", "href") and v and v[0] != "#"]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_one_file_holds_all_and_a_png_of_each_plot_lies_beside_it(tmp_path: Path) -> None:
    found = report(2000, MaxDrop(drop=0.05), source=HOSTILE)
    path = write_report(tmp_path / "new" / "folder", found, ["A note with <b>."])
    html = path.read_text()
    page = Page(html)
    pngs = {file.stem for file in path.parent.glob("*.png")}

    assert page.open == []
    assert page.loaded == []
    assert "script" not in page.tags
    assert pngs == {"curve", "tasks", "reliability", "scores", "confusion", "drift", "distance"}
    assert page.tags.count("svg") == len(pngs)
    assert words.advice(found).replace("'", "&#39;") in html
    assert "&lt;script&gt;" in html
    assert "A note with &lt;b&gt;." in html


def test_drawings_take_the_page_s_colours_and_say_what_they_show(tmp_path: Path) -> None:
    html = write_report(tmp_path, report(2000, MaxDrop(drop=0.05)), []).read_text()
    drawings = re.findall(r"<svg.*?</svg>", html, re.DOTALL)

    assert drawings
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        assert root.get("role") == "img"
        assert len(root.get("aria-label") or "") > 40
        assert "var(--" in drawing
        assert not re.search(r"#(1d232b|2563c9|d9dee4)", drawing)


@pytest.mark.parametrize("target", [DeepShare(share=0.3), Budget(usd_per_day=1), MaxDrop()])
def test_each_target_and_too_few_samples_make_a_page(tmp_path: Path, target: Target) -> None:
    found = report(60, target)
    html = write_report(tmp_path, found, []).read_text()
    assert ("recommended" in html) == (found.choice.thresholds is not None)


def test_unjudged_samples_make_a_page_without_quality(tmp_path: Path) -> None:
    samples = Samples.of([Sample(task="chat", p_fast=p / 10) for p in range(10)])
    found = build_report(
        samples,
        DeepShare(share=0.5),
        Thresholds(general=0.55),
        source="headstart.db",
        classifier="embedding-v1",
    )
    write_report(tmp_path, found, [])
    assert {file.name for file in tmp_path.iterdir()} == {"report.html", "curve.png"}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--report: .* cannot be written"):
        write_report(tmp_path / "file", report(60, DeepShare(share=0.5)), [])
