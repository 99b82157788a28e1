"""The PyTorch twin of a case: the same net, as a good PyTorch user would write it ("strong") and as the attention
tutorials do ("tutorial", which projects the keys anew at every step). PyTorch is needed only to measure against it.
"""  # fmt: skip

from __future__ import annotations

import importlib.util
from typing import Any

import jax
import numpy as np

from motion_jax.benchmark.case import CLIP_FRAMES, CLIPS, WIDTH, Built, Case
from motion_jax.benchmark.ours import parameters
from motion_jax.data.bank import FIRST_START
from motion_jax.errors import UserError

FORMS = ("strong", "tutorial")


def check_available() -> None:
    """Raises `UserError` where PyTorch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise UserError("--peer=torch: PyTorch is not installed in this environment; pip install torch")


def build(case: Case, form: str) -> Built:
    """The case by `torch.nn` layers, eager, with the library's parameters."""
    import torch

    net = _Net(case, form)
    if case.work == "infer":
        history = torch.from_numpy(case.windows(case.batch)[:, : case.source_length])

        def infer() -> None:
            with torch.inference_mode():
                net(history)

        return Built(infer, 1, None, None, lambda: _gradients(case, net))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.005)
    steps = np.random.default_rng(0).normal(0, 0.1, (CLIPS, CLIP_FRAMES, WIDTH))
    bank = torch.from_numpy(np.cumsum(steps, axis=1).astype(np.float32))

    def train() -> None:
        history, future = _draw(torch, bank, case)
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.mse_loss(net(history), future)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()

    return Built(train, 1, None, None, lambda: _gradients(case, net))


def _Net(case: Case, form: str) -> Any:
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            h = case.hidden
            self.encoder = nn.GRU(WIDTH, h, bidirectional=case.bidirectional)
            self.cell = nn.GRUCell(WIDTH + h, h)
            self.query = nn.Linear(h, h, bias=False)
            self.key = nn.Linear(h, h)
            self.score = nn.Linear(h, 1, bias=False)
            self.read_out = nn.Linear(h, WIDTH)

        def forward(self, history: torch.Tensor) -> torch.Tensor:
            states, last = self.encoder(history[:, :-1].transpose(0, 1))
            if case.bidirectional:
                states, last = states[..., : case.hidden] + states[..., case.hidden :], last.sum(0, keepdim=True)
            h, states, x, frames = last[0], states.transpose(0, 1), history[:, -1], []
            keys = self.key(states)
            for _ in range(case.target_length):
                keys = self.key(states) if form == "tutorial" else keys
                scores = self.score(torch.tanh(self.query(h)[:, None] + keys)).transpose(1, 2)
                context = torch.bmm(torch.softmax(scores, dim=-1), states)[:, 0]
                h = self.cell(torch.cat([x, context], dim=-1), h)
                x = x + self.read_out(h)
                frames.append(x)
            return torch.stack(frames, dim=1)

    net = Net()
    _load(net, case)
    return net


def _load(net: Any, case: Case) -> None:
    """Gives the twin the library's parameters; ours are `[in, out]`, PyTorch's `[out, in]`."""
    import torch

    p = jax.tree.map(np.asarray, parameters(case))
    encoder, cell, attention = p.encoder[0], p.decoder.layers[0], p.decoder.attention
    with torch.no_grad():
        for direction, suffix in enumerate(["", "_reverse"] if case.bidirectional else [""]):
            of = (lambda leaf, d=direction: leaf[d]) if case.bidirectional else (lambda leaf: leaf)
            for name, leaf in (("weight_ih", encoder.w_input), ("weight_hh", encoder.w_hidden),
                               ("bias_ih", encoder.b_input), ("bias_hh", encoder.b_hidden)):  # fmt: skip
                getattr(net.encoder, f"{name}_l0{suffix}").copy_(torch.from_numpy(of(leaf).T.copy()))
        for target, leaf in (
            (net.cell.weight_ih, cell.w_input), (net.cell.weight_hh, cell.w_hidden), (net.cell.bias_ih, cell.b_input),
            (net.cell.bias_hh, cell.b_hidden), (net.query.weight, attention.w_query), (net.key.weight, attention.w_key),
            (net.key.bias, attention.b), (net.score.weight, attention.v[:, None]),
            (net.read_out.weight, p.decoder.read_out.w), (net.read_out.bias, p.decoder.read_out.b),
        ):  # fmt: skip
            target.copy_(torch.from_numpy(leaf.T.copy()))


def _gradients(case: Case, net: Any) -> tuple[float, dict[str, np.ndarray]]:
    """Of the parameters whose gradient crosses the whole net, under the library's names and layout."""
    import torch

    history, future = (torch.from_numpy(p) for p in np.split(case.windows(case.batch), [case.source_length], axis=1))
    net.zero_grad(set_to_none=True)
    loss = torch.nn.functional.mse_loss(net(history), future)
    loss.backward()
    named = {
        ".decoder.read_out.w": net.read_out.weight, ".decoder.layers[0].w_hidden": net.cell.weight_hh,
        ".decoder.layers[0].w_input": net.cell.weight_ih, ".decoder.attention.w_query": net.query.weight,
        ".decoder.attention.w_key": net.key.weight,
    }  # fmt: skip
    if not case.bidirectional:
        named |= {".encoder[0].w_hidden": net.encoder.weight_hh_l0, ".encoder[0].w_input": net.encoder.weight_ih_l0}
    gradients = {name: parameter.grad.numpy().T.copy() for name, parameter in named.items()}
    net.zero_grad(set_to_none=True)
    return loss.item(), gradients


def _draw(torch: Any, bank: Any, case: Case) -> tuple[Any, Any]:
    """The same draw as the library's, from a tensor that is resident too."""
    span = case.source_length + case.target_length
    clip = torch.randint(CLIPS, (case.batch,))
    start = torch.randint(FIRST_START, CLIP_FRAMES - span, (case.batch,))
    windows = bank[clip[:, None], start[:, None] + torch.arange(span)]
    return windows[:, : case.source_length], windows[:, case.source_length :]
