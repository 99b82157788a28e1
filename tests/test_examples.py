"""The worked examples of docs/examples, each page as one program, at small sizes."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "examples"

spec = importlib.util.spec_from_file_location("run_page", ROOT / "docs" / "run_page.py")
assert spec is not None
assert spec.loader is not None
run_page = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_page)


def names_of(page: str) -> dict[str, Any]:
    """What the blocks of a page define."""
    names: dict[str, Any] = {"__name__": page}
    exec(run_page.program(PAGES / f"{page}.md"), names)
    return names


@pytest.fixture(scope="module", autouse=True)
def compiled_quickly() -> Iterator[None]:
    """Compiling is most of the time here."""
    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module")
def characters() -> dict[str, Any]:
    return names_of("characters")


@pytest.fixture(scope="module")
def captioning() -> dict[str, Any]:
    return names_of("captioning")


def assert_close(left: Any, right: Any, tolerance: float = 1e-5) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), left, right)


def test_hello_is_learned(characters: dict[str, Any]):
    predicted = [(read, "helo"[int(p.argmax())]) for read, p in characters["hello"]()]
    assert predicted == [("h", "e"), ("e", "l"), ("l", "l"), ("l", "o")]


def test_a_truncated_gradient_stops_at_its_chunk_and_the_state_does_not(characters: dict[str, Any]):
    """Two updates by `train` are those made by hand, the second from the first's last state, held constant."""
    init, loss_of, train = (characters[name] for name in ("init", "loss_of", "train"))
    text = jnp.array([[0, 1], [1, 2], [2, 0], [0, 0], [1, 1], [2, 0], [1, 2]])
    fresh = init(jax.random.key(0), "lstm", 3, 4)
    grad = jax.jit(jax.value_and_grad(loss_of, has_aux=True), static_argnums=1)
    params, state, losses = fresh, characters["zero_state"]("lstm", fresh, 2), []
    for begin in (0, 3):
        (loss, state), grads = grad(params, "lstm", state, text[begin : begin + 4])
        params = jax.tree.map(lambda p, g: p - 0.5 * g, params, grads)
        losses.append(loss)
    trained = train("lstm", fresh, text, 2, 3, optax.sgd(0.5))
    assert_close(trained.params, params)
    assert_close(trained.losses, jnp.array(losses))
    without = train("lstm", fresh, text, 2, 3, optax.sgd(0.5), False)
    assert without.losses[0] == trained.losses[0]
    assert without.losses[1] != trained.losses[1]


def test_temperatures_draw_as_the_page_says(characters: dict[str, Any]):
    """A network whose scores are 1.0, 2.2, -3.0, 4.1 whatever it reads."""
    fresh = characters["init"](jax.random.key(0), "rnn", 4, 2)
    out = fresh.out._replace(w=0 * fresh.out.w, b=jnp.array([1.0, 2.2, -3.0, 4.1]))
    params, first = fresh._replace(out=out), jnp.zeros(8000, int)
    for temperature, share in ((1.0, 0.84), (0.3, 0.998), (2.0, 0.61)):
        drawn = characters["sample"](jax.random.key(0), "rnn", params, first, 2, jnp.float32(temperature))
        assert abs(float((drawn == 3).mean()) - share) < 0.015


def test_gradients_vanish_explode_and_pass(characters: dict[str, Any], tmp_path: Path):
    init, scaled, remembering = (characters[name] for name in ("init", "scaled", "remembering"))
    text = characters["streams"](np.arange(40) ** 2 % 7, 3)[:31]
    by_lag = jax.jit(characters["gradient_by_lag"], static_argnums=0)
    plain, lstm = init(jax.random.key(0), "rnn", 7, 16), init(jax.random.key(0), "lstm", 7, 16)
    low, high = (by_lag("rnn", scaled(plain, gain), text) for gain in (0.5, 2.0))
    assert (low <= low[0] * 0.5 ** np.arange(30) * 1.001).all()  # tanh' is at most 1
    assert high[29] > 10 * high[0]
    forgetful, keeping = (by_lag("lstm", remembering(lstm, bias), text) for bias in (0.0, 3.0))
    assert keeping[29] > 0.05 * keeping[0] > 1000 * forgetful[29]
    run_of = characters["Trained"](None, jnp.ones(20), jnp.ones(20))
    characters["figure"]({"plain": low, "LSTM": keeping}, {"LSTM": run_of}, str(tmp_path / "picture.png"))
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_known_words(characters: dict[str, Any]):
    assert characters["known_words"]("to bee or no", "to be or not") == pytest.approx(2 / 3)


def test_the_network_computed_by_hand_is_the_cell_s(capsys: pytest.CaptureFixture[str]):
    page = names_of("hand_computed_rnn")
    hidden, outputs, loss = page["forward"]()
    assert [round(value, 4) for value in (*hidden[0], outputs[0])] == [0.525, 0.8808, 0.5097]
    (by_cell, (a, y)), grads = page["by_cell"](jnp.array(page["W_AA"]), jnp.array(page["W_AX"]))
    by_hand = (np.array(hidden), np.array(outputs), tuple(map(np.array, page["backward"]())))
    assert_close((by_cell, a, y, grads), (loss, *by_hand))
    first, _, _ = page["forward"]([[9.0, 9.0], [9.0, 9.0]])
    assert first[0] == hidden[0]
    page["main"]()
    assert capsys.readouterr().out in (PAGES / "hand_computed_rnn.md").read_text()


def test_sentences_tell_what_is_in_the_clip(captioning: dict[str, Any]):
    clips = captioning["make_clips"](3, ("S1",), 40)
    words, frames = captioning["WORDS"], captioning["FRAMES"]
    phrases = {phrase: action for action, speeds in captioning["PHRASES"].items() for phrase in speeds}
    sources = {action: captioning["make_clip"](0, "S1", action, 1).frames for action in set(phrases.values())}
    for row in range(40):
        sentence = captioning["sentence_of"](clips.words[row])
        told = sentence.removeprefix("a person ").split(" then ")
        spans = list(dict.fromkeys((begin, end) for begin, end in clips.parts[row].tolist() if end))
        assert len(spans) == len(told)
        assert [0, *(end for _, end in spans)] == [*(begin for begin, _ in spans), frames]
        for phrase, (begin, _) in zip(told, spans, strict=True):
            source = sources[phrases[phrase]]
            at = [int(np.flatnonzero((source == clips.raw[row, t]).all(1))[0]) for t in (begin, begin + 10)]
            assert at[1] - at[0] == int(50 * captioning["PHRASES"][phrases[phrase]][phrase])
        assert {words[word] for word in clips.words[row, len(sentence.split()) :]} == {"<end>"}
    again = captioning["make_clips"](3, ("S1",), 40)
    np.testing.assert_array_equal(again.frames, clips.frames)


@pytest.mark.slow
def test_captions_are_learned_and_written_greedily(captioning: dict[str, Any], tmp_path: Path):
    clips = captioning["make_clips"](4, ("S1",), 8)
    fresh = captioning["init"](jax.random.key(0), clips.frames.shape[-1], 8)
    params, losses = captioning["train"](fresh, (clips.frames, clips.words), 30, 8, 0.1, jax.random.key(1))
    assert losses[-5:].mean() < 0.95 * losses[0]
    scores, written, weights = captioning["measure"](params, clips)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    _, again, _ = jax.jit(captioning["caption"])(params, clips.frames, jnp.array(written))
    np.testing.assert_array_equal(np.asarray(again).T, written)  # fed its own words it writes them again
    assert 0 < scores.words < 1
    perfect, _, _ = captioning["measure"](params, clips._replace(words=written))  # as if those had been the true ones
    assert perfect[:2] == (1, 1)
    about = [(weights[b, w, begin:end].sum(), (end - begin) / weights.shape[-1])
             for b, w in np.ndindex(written.shape) for begin, end in [clips.parts[b, w]]
             if 0 < end - begin < weights.shape[-1]]  # fmt: skip
    np.testing.assert_allclose(perfect[2:], np.mean(about, axis=0), rtol=1e-5)
    captioning["figure"](clips, 0, clips.words, weights, str(tmp_path / "picture.png"))
    assert (tmp_path / "picture.png").stat().st_size > 10_000


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.md")), ids=lambda page: page.stem)
def test_pages_name_their_own_command(page: Path):
    assert re.search(rf"^python docs/run_page\.py docs/examples/{page.name}$", page.read_text(), re.MULTILINE)
