"""Quicker modules in the place of a model's own: weights laid out for oneDNN, an activation within its product."""

from typing import Any

import torch

from . import native

TOKENS = 512
"""What a product is laid out for; other numbers of tokens take the same layout."""

FEW = 128
"""Rows below which a product is given some more, so that it was prepared before."""

FUSED = (
    ("dense", "intermediate_act_fn"), ("ffn", "activation"), ("lin1", "activation"), ("c_fc", "act"), ("dense_h_to_4h", "act"),
    ("wi", "act"), ("wi_0", "act"), ("fc1", "activation_fn"), ("gate_proj", "act_fn"),
)  # fmt: skip
"""Names that the library gives a linear layer and the activation of just its output, side by side in one module."""

TANH = "gelu", "tanh"


def lay_out(module: torch.nn.Module, compiled: bool = False) -> None:
    """Makes a model on a CPU answer faster, in place; it can learn no more, and is not to be saved.

    compiled: with AMX, GELU by tanh is a kernel of ours after the product, in half the time that oneDNN's takes within it

    Products are summed in another order than by torch's own kernels: in float32 they agree to about 1e-6.
    """
    from transformers.activations import NewGELUActivation

    class Laid(torch.nn.Module):
        """A linear layer whose weights lie as oneDNN reads them, with the activation of its output."""

        def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, activation: tuple[str, str] = ("none", "")) -> None:
            super().__init__()
            self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().contiguous(), TOKENS)
            self.bias = None if bias is None else bias.detach()
            self.activation = activation

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            rows = x.shape[:-1].numel()
            more = rounded(rows) - rows if rows < FEW else 0
            if not more:
                return self._product(x)
            made = self._product(torch.nn.functional.pad(x.reshape(rows, -1), (0, 0, 0, more)))
            return made[:rows].view(*x.shape[:-1], -1)

        def _product(self, x: torch.Tensor) -> torch.Tensor:
            name, algorithm = self.activation
            made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, name, [], algorithm)
            return made

    for parent in list(module.modules()):
        children = dict(parent.named_children())
        after = {
            linear: (act, found) for linear, act in FUSED if linear in children and (found := _activation(children.get(act)))
        }
        for name, child in children.items():
            parts = _weights(child)
            if parts is not None:
                act, kind = after.get(name, ("", ("none", "")))
                apart = compiled and kind == TANH and native.has_tiles()
                setattr(parent, name, Laid(*parts, ("none", "") if apart else kind))
                if act:
                    setattr(parent, act, native.Gelu() if apart else torch.nn.Identity())
            elif isinstance(child, NewGELUActivation) and name not in dict(after.values()):
                setattr(parent, name, torch.nn.GELU(approximate="tanh"))  # the same in one pass instead of eight


def rounded(tokens: int) -> int:
    """One of few numbers: less than a sixteenth more, or less than 8 more.

    oneDNN prepares a product anew for each number of tokens, in about a millisecond: see docs/design/speed.md.
    """
    step = max(8, 2 ** (tokens.bit_length() - 6))
    return -(-tokens // step) * step


def _weights(part: Any) -> tuple[torch.Tensor, torch.Tensor | None] | None:
    """Of a linear layer: (out, in) and (out,)."""
    from transformers.pytorch_utils import Conv1D

    if type(part) is Conv1D:
        return part.weight.t(), part.bias
    if type(part) is torch.nn.Linear and part.weight.dtype in (torch.float32, torch.bfloat16):
        return part.weight, part.bias
    return None


def _activation(part: Any) -> tuple[str, str] | None:
    """What oneDNN calls it: name and algorithm."""
    from transformers import activations

    # with narrower units torch's own takes less time: 4 ms beside 10 for 1,024 × 3,072 numbers on an AVX2 processor
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        if isinstance(part, activations.GELUActivation):
            return ("gelu", "none") if part.act is torch.nn.functional.gelu else None
        if isinstance(part, (activations.NewGELUActivation, activations.GELUTanh)):
            return TANH
    if isinstance(part, (torch.nn.SiLU, activations.SiLUActivation)):
        return "swish", ""
    return ("relu", "") if isinstance(part, torch.nn.ReLU) else None
