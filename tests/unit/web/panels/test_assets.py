from __future__ import annotations

import gzip
import re
from importlib.resources import files

import pytest

ASSETS = files("gateway.web.panels").joinpath("assets")
TEMPLATES = files("gateway.web.panels").joinpath("templates")
MOST_STYLE, MOST_SCRIPTS = 15_000, 8_000


def squeezed(suffix: str) -> int:
    return sum(
        len(gzip.compress(each.read_bytes())) for each in ASSETS.iterdir() if each.name.endswith(suffix)
    )


def test_the_style_sheet_stays_small():
    assert squeezed(".css") <= MOST_STYLE


def test_the_scripts_stay_small():
    assert squeezed(".js") <= MOST_SCRIPTS


def test_nothing_is_fetched_from_elsewhere():
    for each in ASSETS.iterdir():
        assert not re.search(rb"https?://(?!www\.w3\.org/)", each.read_bytes()), each.name


@pytest.mark.parametrize("template", sorted(each.name for each in TEMPLATES.iterdir()))
def test_no_page_holds_a_style_or_a_script_of_its_own(template):
    text = TEMPLATES.joinpath(template).read_text(encoding="utf-8")

    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)", text)


def test_every_script_is_used():
    pages = "".join(each.read_text(encoding="utf-8") for each in TEMPLATES.iterdir())

    assert [each.name for each in ASSETS.iterdir() if each.name not in pages] == []
