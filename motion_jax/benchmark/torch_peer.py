"""The PyTorch peer: the library's net as a good PyTorch user would write it ("strong") and as tutorials do.

"tutorial" projects the keys anew at every step. Eager or compiled, on the device that jax uses, with the library's
parameters; PyTorch is needed only to measure against it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any, cast

import jax
import numpy as np

from motion_jax.benchmark import torch_twins
from motion_jax.benchmark.case import CLIP_FRAMES, CLIPS, PREDICTION, WIDTH, Built, Case, clips
from motion_jax.benchmark.compiled import named_leaves
from motion_jax.benchmark.ours import parameters
from motion_jax.benchmark.roofline import SIDE, best_seconds
from motion_jax.data.packed_clips import FIRST_START
from motion_jax.errors import UserError
from motion_jax.nn.attention import ScoreParams


def make_net(case: Case, form: str) -> Any:
    """A `torch.nn.Module` from a history `[B, S, N]` to frames `[B, T, N]`, on the CPU."""
    if case.one_shot:
        twin = torch_twins.make_twin(case, form)
        torch_twins.load(twin, named_leaves(parameters(case)))
        return twin
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
            return self.decode(last[0], states.transpose(0, 1), history[:, -1])

        def decode(self, h: torch.Tensor, states: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            keys, frames = self.key(states), []
            for _ in range(case.target):
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


def named_gradients(case: Case, net: Any) -> dict[str, np.ndarray]:
    """Of the parameters whose gradient crosses the whole net, under the library's names and layout."""
    if case.one_shot:
        return torch_twins.named_gradients(net, named_leaves(parameters(case)))
    named = {
        ".decoder.read_out.w": net.read_out.weight, ".decoder.layers[0].w_hidden": net.cell.weight_hh,
        ".decoder.layers[0].w_input": net.cell.weight_ih, ".decoder.attention.w_query": net.query.weight,
        ".decoder.attention.w_key": net.key.weight,
    }  # fmt: skip
    if not case.bidirectional:
        named |= {".encoder[0].w_hidden": net.encoder.weight_hh_l0, ".encoder[0].w_input": net.encoder.weight_ih_l0}
    return {name: parameter.grad.cpu().numpy().T.copy() for name, parameter in named.items()}


def _load(net: Any, case: Case) -> None:
    """Gives the net the library's parameters; ours are `[in, out]`, PyTorch's `[out, in]`."""
    import torch

    p = parameters(case)
    encoder, cell, attention = p.encoder[0], p.decoder.layers[0], cast(ScoreParams, p.decoder.attention)
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


NETWORK = ("decode", "loss")  # methods of a net that are compiled
FORMS = {"torch_strong": "strong", "torch_tutorial": "tutorial", "torch_compile": "strong"}


def check_available() -> None:
    """Raises `UserError` where PyTorch is not installed, or does not see the GPU that jax uses."""
    if importlib.util.find_spec("torch") is None:
        raise UserError("--peer=torch: PyTorch is not installed in this environment; pip install torch")
    import torch

    if jax.default_backend() == "gpu" and not torch.cuda.is_available():
        raise UserError("--peer=torch: jax uses a GPU, but this PyTorch sees none; install one for CUDA")
    if hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(min(torch.get_num_threads(), len(os.sched_getaffinity(0))))


def device() -> str:
    """Where it runs: where the library does."""
    return "cuda" if jax.default_backend() == "gpu" else "cpu"


def build(case: Case, implementation: str) -> Built:
    """The case by `torch.nn` layers with the library's parameters."""
    import torch

    _set_precision(case.precision)
    net = make_net(case, FORMS[implementation]).to(device()).train(case.work == "train")
    if implementation == "torch_compile":
        _compile(net)
    operation = _training(case, net) if case.work == "train" else _inference(case, net)

    def call() -> None:
        operation()
        _finish()

    begun = time.perf_counter()
    call()
    first = time.perf_counter() - begun  # compiles
    peak = _working_memory(torch, call)
    compile_s = first if implementation == "torch_compile" else None
    gradients = _one_shot_gradients if case.one_shot else _gradients
    return Built(call, lambda: gradients(case, net), compile_s=compile_s, peak_bytes=peak)


def matmul_gflops_per_s(precision: str) -> float:
    """The best rate of PyTorch's own square matmul."""
    import torch

    _set_precision(precision)
    side = SIDE[jax.default_backend()]
    a = torch.randn(side, side, device=device(), dtype=torch.bfloat16 if precision == "bf16" else torch.float32)

    def call() -> None:
        torch.mm(a, a)
        _finish()

    return 2e-9 * side**3 / best_seconds(call)


def _inference(case: Case, net: Any) -> Callable[[], None]:
    import torch

    history = torch.from_numpy(case.windows(case.batch)[0]).to(device())

    def infer() -> None:
        with torch.inference_mode(), _autocast(case):
            net(history)

    return infer


def _training(case: Case, net: Any) -> Callable[[], None]:
    import torch

    optimizer, config = _optimizer(torch, case, net), case.experiment().optim
    packed = torch.from_numpy(clips(case, CLIP_FRAMES)).to(device())

    def train() -> None:
        history, future = _draw(torch, packed, case)
        optimizer.zero_grad(set_to_none=True)
        _loss(case, net, history, future).backward()
        if config.clip_kind == "l2":
            torch.nn.utils.clip_grad_norm_(net.parameters(), config.clip_norm)
        optimizer.step()

    return train


def _optimizer(torch: Any, case: Case, net: Any) -> Any:
    """The library's; of Adam PyTorch's fused one. AdamW decays matrices only."""
    config = case.experiment().optim
    if config.name == "sgd":
        return torch.optim.SGD(net.parameters(), lr=config.learning_rate)
    if config.name == "adam":
        return torch.optim.Adam(net.parameters(), lr=config.learning_rate, fused=True)
    groups = [{"params": [p for p in net.parameters() if (p.ndim > 1) is matrices],
               "weight_decay": config.weight_decay * matrices} for matrices in (True, False)]  # fmt: skip
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def _loss(case: Case, net: Any, history: Any, future: Any) -> Any:
    import torch

    with _autocast(case):
        if case.one_shot:
            return net.loss(history, future)
        predicted = net(history)
    return torch.nn.functional.mse_loss(predicted.float(), future)


def _gradients(case: Case, net: Any) -> tuple[float, dict[str, np.ndarray]]:
    """Of the parameters as the library begins with them, which `build`'s own calls have changed.

    Of inference the loss is the timed code's; the gradients are the eager net's, so that none is compiled for them.
    """
    import torch

    trained = {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(make_net(case, "strong").state_dict())
    history, future = (torch.from_numpy(part).to(device()) for part in case.windows(case.batch))
    net.zero_grad(set_to_none=True)
    value, compiled = None, None
    if case.work == "infer":
        with torch.inference_mode():
            value = _loss(case, net, history, future).item()
        compiled = net.__dict__.pop("decode", None)
    loss = _loss(case, net, history, future)
    loss.backward()
    found = loss.item() if value is None else value, named_gradients(case, net)
    if compiled:
        net.decode = compiled
    net.zero_grad(set_to_none=True)
    net.load_state_dict(trained)
    return found


def _one_shot_gradients(case: Case, net: Any) -> tuple[float, dict[str, np.ndarray]]:
    """As `_gradients`, and the prediction, without dropout; of float32 the gradients in float64, by the eager net."""
    import torch

    trained = {name: value.clone() for name, value in net.state_dict().items()}
    fresh = make_net(case, "strong").state_dict()
    rates = {module: module.p for module in net.modules() if isinstance(module, torch.nn.Dropout)}
    for module in rates:
        module.p = 0.0
    net.load_state_dict(fresh)
    history, future = (torch.from_numpy(part).to(device()) for part in case.windows(case.checked))
    with torch.no_grad():
        value = _loss(case, net.train(), history, future).item()
        net.load_state_dict(fresh)  # its running statistics have moved
        found = {PREDICTION: _predicted(case, net.eval(), history[: case.batch])}
    compiled = {name: net.__dict__.pop(name) for name in NETWORK if name in net.__dict__}
    if case.precision == "float32":
        net, history, future = net.double(), history.double(), future.double()
    net.zero_grad(set_to_none=True)
    _loss(case, net.train(), history, future).backward()
    found |= named_gradients(case, net)
    net.zero_grad(set_to_none=True)
    for module, rate in rates.items():
        module.p = rate
    net.__dict__.update(compiled)
    net.float().train(case.work == "train").load_state_dict(trained)
    return value, found


def _predicted(case: Case, net: Any, history: Any) -> np.ndarray:
    with _autocast(case):
        return net(history).float().cpu().numpy()


def _draw(torch: Any, packed: Any, case: Case) -> tuple[Any, Any]:
    """The same draw as the library's, from a tensor that is resident too."""
    span = case.source + case.target
    clip = torch.randint(CLIPS, (case.batch,), device=device())
    start = torch.randint(FIRST_START, CLIP_FRAMES - span, (case.batch,), device=device())
    windows = packed[clip[:, None], start[:, None] + torch.arange(span, device=device())]
    return windows[:, : case.source], windows[:, case.source :]


def _compile(net: Any) -> None:
    """The decoder of a recurrent net, the whole of others, and their loss.

    An encoder is one call of cuDNN or oneDNN, which the compiler leaves alone.

    `reduce-overhead` puts the steps into a CUDA graph; a CPU has none.
    """
    import torch
    import torch._inductor.config as inductor

    torch._dynamo.reset()  # else the cases of a sweep count as recompilations of one, which end in eager mode
    inductor.force_disable_caches = True  # else its compile time would be that of reading what a run before kept
    mode = "reduce-overhead" if device() == "cuda" else None
    for name in filter(functools.partial(hasattr, net), NETWORK):
        setattr(net, name, torch.compile(getattr(net, name), fullgraph=True, mode=mode))


def _set_precision(precision: str) -> None:
    """The case's setting of TF32, which the library takes the same way; only a GPU has it."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision != "float32"


def _autocast(case: Case) -> Any:
    import torch

    return torch.autocast(device(), torch.bfloat16) if case.precision == "bf16" else contextlib.nullcontext()


def _finish() -> None:
    if device() == "cuda":
        import torch

        torch.cuda.synchronize()


def _working_memory(torch: Any, call: Callable[[], None]) -> int | None:
    """Bytes that a call needs beyond what stays allocated; PyTorch counts them on CUDA only."""
    if device() != "cuda":
        return None
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    call()
    return torch.cuda.max_memory_allocated() - before
