"""The page in a browser: it loads alone, its controls act, and bodies and time share every screen."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.data.positions import to_positions
from motion_jax.skeletons.bodies import H36M
from motion_jax.visualize.comparison import Comparison
from motion_jax.visualize.label_page import Band, Span, make_label_page
from motion_jax.visualize.page import write_html, write_page

S, T = 50, 25
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)
SECONDS = 60  # that an answer may take

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=f"needs a browser: one of {', '.join(NAMES)}")


class Browser:
    """Headless Chromium, driven by the DevTools protocol over two pipes: JSON messages that end in a zero byte."""

    def __init__(self, profile: Path) -> None:
        from_test, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        flags = [*FLAGS, f"--user-data-dir={profile}", "about:blank"]
        shell = f'exec "$@" 3<&{from_test} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", str(CHROMIUM), *flags],
            pass_fds=(from_test, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(from_test)
        os.close(from_browser)
        self._left, self._number = b"", 0
        self._session: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command; what happens meanwhile is kept in `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **self._session}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]
            self.events.append(found)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            assert select.select([self._in], [], [], SECONDS)[0], "the browser does not answer"
            part = os.read(self._in, 1 << 20)
            assert part, "the browser has ended"
            self._left += part
        text, _, self._left = self._left.partition(b"\0")
        return json.loads(text)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until an expression is true."""
        end = time.monotonic() + SECONDS
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.02)

    def show(self, path: Path, width: int, height: int, **features: str) -> None:
        """Opens a page on a screen of this size, with media features such as `forced_colors="active"`."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        media = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=media)
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait("document.readyState === 'complete' && Boolean(document.getElementById('clock')?.textContent)")

    def click(self, element: str) -> None:
        """A mouse click on the middle of an element, given as an expression."""
        x, y = self.evaluate(f"""(found => {{
          found.scrollIntoView({{block: "nearest", inline: "nearest"}});
          const box = found.getBoundingClientRect();
          return [box.x + box.width / 2, box.y + box.height / 2];
        }})({element})""")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def save_picture(self, path: Path) -> None:
        """For whoever wants to look."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)
        self._process.terminate()
        self._process.wait(SECONDS)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture
def page(maker: Callable[..., Comparison], tmp_path: Path) -> Path:
    write_page(maker(s=S, t=T), tmp_path / "page.html")
    return tmp_path / "page.html"


def faults(browser: Browser) -> list[Any]:
    """Exceptions, what the page printed, and errors of the browser (that WebGL lacks a GPU is only a warning)."""
    said = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    return [event for event in browser.events if event["method"] in said
            or (event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error")]  # fmt: skip


def text(name: str) -> str:
    return f"document.getElementById('{name}').textContent"


def test_the_page_loads_alone_and_plays(browser: Browser, page: Path):
    browser.show(page, 1280, 800)
    before = browser.evaluate(text("clock"))
    browser.wait(f"{text('clock')} !== {json.dumps(before)}")  # it plays by itself
    urls = [
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in urls if not url.startswith(("data:", page.as_uri()))] == []
    assert page.as_uri() in urls
    assert faults(browser) == []
    assert browser.evaluate(text("title")) == "walking"
    assert browser.evaluate(text("about")).startswith("Given 2 s of motion, each model predicts the next 1 s.")


def test_controls_act(browser: Browser, page: Path):
    browser.show(page, 1280, 800, prefers_reduced_motion="reduce")  # it does not play by itself
    button = "document.getElementById('play')"
    assert browser.evaluate(f"{button}.ariaLabel") == "Play"
    browser.click(button)
    assert browser.evaluate(f"{button}.ariaLabel") == "Pause"
    browser.wait(f"!{text('clock')}.startsWith('\u2212')")
    browser.click(button)

    x, y, width, height = browser.evaluate("(b => [b.x, b.y, b.width, b.height])(timeline.getBoundingClientRect())")
    for kind, share in (("mousePressed", 0.5), ("mouseMoved", 0.9), ("mouseMoved", 0.999), ("mouseReleased", 0.999)):
        at = {"x": x + share * width, "y": y + height / 2}
        browser.call("Input.dispatchMouseEvent", type=kind, **at, button="left", buttons=1, clickCount=1)
    browser.wait(f"{text('clock')} === '+1000 ms'")
    assert browser.evaluate(text("now")) == "Error at +1000 ms"

    chip = "document.querySelector('#models button')"
    assert browser.evaluate(f"{chip}.ariaPressed") == "true"
    browser.click(chip)
    assert browser.evaluate(f"{chip}.ariaPressed") == "false"
    browser.wait("document.querySelector('#errors tbody tr').className === 'off'")

    halo = "document.getElementById('halo')"
    pixels = "document.getElementById('bodies').toDataURL()"
    pictures = []
    for said in ("Halo 90%", "Halo", "Halo 50%"):  # each level once round
        assert browser.evaluate(halo + ".textContent") == said
        browser.evaluate("new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame))")
        pictures.append(browser.evaluate(pixels))
        browser.click(halo)
    assert len(set(pictures)) == 3

    where = browser.evaluate(text("about"))
    browser.click("document.getElementById('later')")
    assert browser.evaluate("document.getElementById('window').value") == "1"
    assert browser.evaluate(text("about")) != where
    assert faults(browser) == []


def test_the_page_of_labels_follows_its_recordings(browser: Browser, tmp_path: Path):
    rng = np.random.default_rng(0)
    turns = rng.normal(0, 0.1, (50, H36M.columns)).astype(np.float32)
    places = to_positions(H36M, turns)
    sequences = tuple(
        Sequence({"positions": places[:frames], "angles": turns[:frames]}, (Segment(0, 10, 1),), "", "test", name)
        for name, frames in (("first", 25), ("second", 50))
    )
    dataset = LabelledSet("made", sequences, ("sit", "walk"), 25.0, "key", H36M.of_positions)
    page = tmp_path / "labels.html"
    write_html(make_label_page(dataset, sequences, [Band("net", lambda _: [Span(0.0, 1.0, 0, 0.5)])]), page)
    browser.show(page, 1280, 800, prefers_reduced_motion="reduce")
    cells = "[...row.cells].map((cell) => cell.textContent)"
    rows = f"[...document.querySelectorAll('#labels tbody tr')].map((row) => {cells})"
    assert browser.evaluate(rows) == [["Truth", "walk", "\u2013"], ["net", "sit", "0.50"]]
    for name, slots in (("first", "24"), ("second", "49")):
        assert browser.evaluate(text("title")) == name
        assert browser.evaluate("document.getElementById('timeline').ariaValueMax") == slots
        browser.click("document.getElementById('later')")
        browser.wait("new Promise(requestAnimationFrame).then(() => true)")
    assert faults(browser) == []


def test_what_comes_next_has_no_errors(browser: Browser, maker: Callable[..., Comparison], tmp_path: Path):
    comparison = maker(s=S, t=T)
    (first, last), none = comparison.scenes, {"euler_error_rad": None, "mpjpe_mm": None}
    unknown = tuple(dataclasses.replace(prediction, **none) for prediction in last.predictions)
    last = dataclasses.replace(last, action="next", truth=None, predictions=unknown)
    write_page(dataclasses.replace(comparison, scenes=(first, last), walk=True), tmp_path / "page.html")
    browser.show(tmp_path / "page.html", 1280, 800, prefers_reduced_motion="reduce")
    moving = "document.querySelector('[data-walk=\"1\"]').ariaPressed"
    assert browser.evaluate(moving) == "true"
    errors = "document.getElementById('joints').closest('section').hidden"
    button = "document.querySelector('[data-colour=error]').disabled"
    assert browser.evaluate(f"[{errors}, {button}]") == [False, False]
    browser.evaluate("(select => { select.value = 'next'; select.dispatchEvent(new Event('change')); })(action)")
    assert browser.evaluate(f"[{errors}, {button}]") == [True, True]
    assert browser.evaluate(text("title")) == "next"
    assert browser.evaluate(text("about")).endswith("after its end, where no truth is known.")
    for key in ("End", "o", "Home"):
        browser.evaluate(f"document.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}})); 0")
        browser.evaluate("new Promise(requestAnimationFrame).then(() => new Promise(requestAnimationFrame))")
        if key == "End":
            assert browser.evaluate(text("now")) == "Predicted, +1000 ms"
    assert browser.evaluate("document.querySelector('#errors tbody td:last-child').textContent") == "\u2013"
    assert faults(browser) == []


SCREENS = [(360, 640), (390, 844), (640, 360), (844, 390), (768, 1024), (1280, 800), (1920, 1080)]


@pytest.mark.parametrize("size", SCREENS, ids=lambda size: "{}x{}".format(*size))
def test_bodies_and_time_share_the_screen(browser: Browser, page: Path, size: tuple[int, int]):
    browser.show(page, *size)
    names = ["bodies", "timeline", "play", "back", "next", "clock", "speed", "action", "window", "title", "about"]
    boxes = browser.evaluate(f"""Object.fromEntries({json.dumps(names)}.map((name) => {{
      const b = document.getElementById(name).getBoundingClientRect();
      return [name, [b.left, b.top, b.right, b.bottom]];
    }}))""")
    for name, (left, top, right, bottom) in boxes.items():
        assert 0 <= left < right <= size[0], name
        assert 0 <= top < bottom <= size[1], name
    for name, (left, top, right, bottom) in boxes.items():
        for other, (left2, top2, right2, bottom2) in boxes.items():
            apart = right <= left2 + 1 or right2 <= left + 1 or bottom <= top2 + 1 or bottom2 <= top + 1
            assert apart or name == other, (name, other)
    left, top, right, bottom = boxes["bodies"]
    assert bottom - top >= 200
    assert right - left >= 300
    covered = browser.evaluate(f"""[...Array(81).keys()].filter((n) => {{
      const x = {left} + ({right} - {left}) * (0.02 + 0.12 * (n % 9));
      const y = {top} + ({bottom} - {top}) * (0.02 + 0.12 * Math.floor(n / 9));
      return document.elementFromPoint(x, y).id !== "bodies";
    }})""")
    assert covered == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert browser.evaluate("clock.scrollWidth <= clock.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pressed_buttons_are_seen_in_forced_colours(browser: Browser, page: Path, scheme: str):
    browser.show(page, 1280, 800, forced_colors="active", prefers_color_scheme=scheme)
    assert browser.evaluate("matchMedia('(forced-colors: active)').matches")
    looks = browser.evaluate("""[...document.querySelectorAll("button")].map((button) => {
      const look = getComputedStyle(button), pressed = button.ariaPressed === "true";
      return [pressed, look.backgroundColor, look.borderTopColor, look.color, look.borderTopWidth];
    })""")
    free = {look[1] for look in looks if not look[0]}
    pressed = [look for look in looks if look[0]]
    assert len(pressed) >= 5  # two models, layout, root, colour
    for _, background, border, ink, width in pressed:
        assert background not in free
        assert contrast(border, background) >= 3
        assert contrast(ink, background) >= 4.5
        assert width == "2px"


def contrast(one: str, other: str) -> float:
    """Of two colours `rgb(r, g, b)`, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)
