"""Chromium without a window: what it makes of a page."""

import json
import re
import subprocess
import tempfile
from html import unescape
from pathlib import Path

# It is told to fetch nothing of its own; root needs to say that there is no sandbox.
ALONE = [
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
]

# Every text with the box that it is drawn in, and the box that may hold it: a drawing cuts off what
# lies outside of it, and so does the window.
MEASURE = """
const wide = document.documentElement.clientWidth;
const texts = [];
const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const holder = node.parentElement;
  if (!node.data.trim() || holder.closest("title")) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const box = range.getBoundingClientRect();
  const drawing = holder.closest("svg")?.getBoundingClientRect();
  texts.push({
    text: node.data.trim(), left: box.left, right: box.right, top: box.top, bottom: box.bottom,
    from: drawing ? drawing.left : 0, to: drawing ? drawing.right : wide, drawn: Boolean(drawing),
  });
}
const found = { wide, scrolled: document.documentElement.scrollWidth, texts };
const told = document.createElement("pre");
told.id = "found";
told.textContent = JSON.stringify(found);
document.body.append(told);
"""


def run(*arguments: str) -> str:
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            ["chromium", *ALONE, f"--user-data-dir={profile}", *arguments],
            capture_output=True, text=True, timeout=120,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(page: Path, wide: int) -> dict:
    """Where the texts of a page are in a window of this width."""
    copy = page.with_name(f"measured-{page.name}")
    copy.write_text(page.read_text() + f"<script>{MEASURE}</script>")
    dom = run(f"--window-size={wide},1000", "--dump-dom", copy.as_uri())
    found = re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)
    return json.loads(unescape(found[1]))


def screenshot(page: Path, picture: Path, wide: int, high: int) -> None:
    run(f"--window-size={wide},{high}", f"--screenshot={picture}", page.as_uri())


def printed(page: Path, file: Path) -> bytes:
    run("--no-pdf-header-footer", f"--print-to-pdf={file}", page.as_uri())
    return file.read_bytes()
