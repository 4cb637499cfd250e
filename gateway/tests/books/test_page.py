"""The report's page in a real browser: whole, alone, within its width, and on paper."""

import re
from datetime import datetime, timezone

import pytest

from browser import measured, printed, screenshot
from journal import ROOT, House, month

# What a person looks at who changes the page.
SEEN = ROOT / "target/pages"
ADDRESS = re.compile(rb"(?:https?:)?//[a-z0-9]|url\(|@import|<script|<link|<img|<iframe", re.I)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A month in which seven teams used three endpoints, up to this hour; its last day has a label."""
    now = datetime.now(timezone.utc)
    house = House(tmp_path_factory.mktemp("house"), month(now, 33))
    house.said("report", "--from", "32d", "--group-by", "team,provider", "--format", "html", "--output", "report.html")
    return house.folder / "report.html"


def test_nothing_is_fetched(page):
    found = ADDRESS.search(page.read_bytes())
    assert not found, found


def test_the_charts_are_drawn(page):
    html = page.read_text()
    assert html.count("<svg") == 1 and html.count("<rect") > 100
    assert html.count("class=bars") >= 2 and "bars gauges" in html


@pytest.mark.parametrize("wide", [1280, 900, 600])
def test_every_text_is_within_the_page(page, wide):
    found = measured(page, wide)
    assert found["scrolled"] <= found["wide"]
    assert len(found["texts"]) > 100
    out = [it for it in found["texts"] if it["left"] < it["from"] - 0.5 or it["right"] > it["to"] + 0.5]
    # On a narrow screen a wide table is pushed aside by the reader, inside a box of its own.
    assert not [it for it in out if it["drawn"] or wide > 600], out


def test_labels_do_not_lie_on_each_other(page):
    drawn = [it for it in measured(page, 1280)["texts"] if it["drawn"]]
    assert len(drawn) > 8
    for number, one in enumerate(drawn):
        for other in drawn[number + 1:]:
            beside = one["right"] <= other["left"] or other["right"] <= one["left"]
            assert beside or one["bottom"] <= other["top"] or other["bottom"] <= one["top"], (one, other)


def test_it_is_printed_on_some_sheets(page):
    pdf = printed(page, page.with_suffix(".pdf"))
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 6


def test_a_picture_of_it_has_something_on_it(page):
    SEEN.mkdir(parents=True, exist_ok=True)
    picture = SEEN / "report.png"
    screenshot(page, picture, 1000, 2600)
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 50_000
