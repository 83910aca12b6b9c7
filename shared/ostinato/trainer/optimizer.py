"""Optimizers: those of torch by their spec, with a lighter Adam for the default.

The constructor and the step of every class in `torch.optim` import `torch._dynamo`: 1.3 s of CPU and 70 MB, more than
training on a small table takes. The functions below those classes do not, so Adam and AdamW are built on `adam`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from ostinato.errors import ConfigError, Problem
from ostinato.trainer.spec import AdamSpec, AdamWSpec, MuonSpec, OptimizerSpec, SparseAdamSpec

Closure = Callable[[], float]


class Optimizer(Protocol):
    """What the training loop needs of an optimizer."""

    def set_learning_rate(self, rate: float) -> None:
        """The size of the next steps."""

    def step(self, closure: Closure) -> None:
        """Changes the weights by their gradients; only LBFGS calls the closure, which computes loss and gradients."""

    def state(self) -> Any:
        """What it remembers, as dicts and lists of tensors and numbers."""

    def load(self, state: Any) -> None:
        """Goes on from what `state` gave."""


class Adam:
    """Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), the same to the bit as `torch.optim`'s."""

    def __init__(self, spec: AdamSpec | AdamWSpec, network: nn.Module, rate: float) -> None:
        self._spec = spec
        self._rate = rate
        self._groups = [_AdamGroup(parameters, decay) for parameters, decay in _groups(network, spec.weight_decay)]

    def set_learning_rate(self, rate: float) -> None:
        """The size of the next steps."""
        self._rate = rate

    def step(self, closure: Closure) -> None:
        """One step; a parameter without gradient stays as it is."""
        with torch.no_grad():
            for group in self._groups:
                group.step(self._spec, self._rate)

    def state(self) -> Any:
        """Moments and step counts of each group."""
        return [[local(tensor) for tensor in group.tensors()] for group in self._groups]

    def load(self, state: Any) -> None:
        """Goes on from what `state` gave."""
        for group, saved in zip(self._groups, state, strict=True):
            for tensor, value in zip(group.tensors(), saved, strict=True):
                local(tensor).copy_(value)


class _AdamGroup:
    """Parameters with the same weight decay, and their moments."""

    def __init__(self, parameters: list[nn.Parameter], weight_decay: float) -> None:
        self._parameters = parameters
        self._weight_decay = weight_decay
        # The fused kernel updates all parameters in one call.
        self._fused = all(p.dtype == torch.float32 and p.device.type in ("cpu", "cuda") for p in parameters)
        self._means = [torch.zeros_like(p) for p in parameters]
        self._squares = [torch.zeros_like(p) for p in parameters]
        self._largest = [torch.zeros_like(p) for p in parameters]
        self._steps = [torch.zeros((), device=p.device if self._fused else "cpu") for p in parameters]

    def tensors(self) -> list[Tensor]:
        """All that is remembered."""
        return [*self._means, *self._squares, *self._largest, *self._steps]

    def step(self, spec: AdamSpec | AdamWSpec, rate: float) -> None:
        used = [index for index, p in enumerate(self._parameters) if p.grad is not None]

        def pick(tensors: Sequence[Tensor]) -> list[Tensor]:
            return [tensors[index] for index in used]

        adam(
            pick(self._parameters),
            [p.grad for p in self._parameters if p.grad is not None],
            pick(self._means),
            pick(self._squares),
            pick(self._largest) if spec.amsgrad else [],
            pick(self._steps),
            fused=self._fused,
            foreach=False if self._fused else None,
            decoupled_weight_decay=isinstance(spec, AdamWSpec),
            amsgrad=spec.amsgrad,
            beta1=spec.betas[0],
            beta2=spec.betas[1],
            lr=rate,
            weight_decay=self._weight_decay,
            eps=spec.eps,
            maximize=False,
        )


class TorchOptimizer:
    """One or more optimizers of `torch.optim`, each for its part of the parameters."""

    def __init__(self, optimizers: list[torch.optim.Optimizer], sparse: Iterable[nn.Parameter] = ()) -> None:
        self._optimizers = optimizers
        self._sparse = list(sparse)

    def set_learning_rate(self, rate: float) -> None:
        """The size of the next steps."""
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate

    def step(self, closure: Closure) -> None:
        """One step of each."""
        for parameter in self._sparse:
            if parameter.grad is not None:
                # Only the vectors of the batch have a gradient; SparseAdam leaves the moments of the others alone.
                dense, parameter.grad = parameter.grad, None
                parameter.grad = dense.to_sparse(1)
        for optimizer in self._optimizers:
            if isinstance(optimizer, torch.optim.LBFGS):
                optimizer.step(closure)  # type: ignore[no-untyped-call]
            else:
                optimizer.step()

    def state(self) -> Any:
        """The state of each."""
        return [_mapped(optimizer.state_dict()["state"], local) for optimizer in self._optimizers]

    def load(self, state: Any) -> None:
        """Goes on from what `state` gave."""
        for optimizer, saved in zip(self._optimizers, state, strict=True):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            placed = {
                key: _mapped(value, functools.partial(as_part_of, parameters[key])) for key, value in saved.items()
            }
            optimizer.load_state_dict(optimizer.state_dict() | {"state": placed})


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor that is shared out, or the tensor itself."""
    part: Tensor = tensor.to_local() if _is_shared_out(tensor) else tensor  # type: ignore[attr-defined]
    return part


def _is_shared_out(tensor: Tensor) -> bool:
    # Where nobody has imported the module, no tensor is of its class; importing it takes a second.
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def as_part_of(parameter: Tensor, part: Tensor) -> Tensor:
    """A tensor of the size of this process's part of a parameter, shared out as the parameter is."""
    if not _is_shared_out(parameter) or part.shape != local(parameter).shape or not part.ndim:
        return part
    from torch.distributed.tensor import DTensor

    whole: Tensor = DTensor.from_local(part, parameter.device_mesh, parameter.placements)  # type: ignore[attr-defined]
    return whole


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same nested value with every tensor changed."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return [_mapped(item, change) for item in value] if isinstance(value, list | tuple) else value


_CLASSES: dict[str, str] = {
    "sgd": "SGD",
    "lbfgs": "LBFGS",
    "adadelta": "Adadelta",
    "adagrad": "Adagrad",
    "adamax": "Adamax",
    "nadam": "NAdam",
    "radam": "RAdam",
    "rmsprop": "RMSprop",
    "rprop": "Rprop",
    "asgd": "ASGD",
    "adafactor": "Adafactor",
    "muon": "Muon",
    "sparse_adam": "SparseAdam",
}
_DECOUPLED = {"nadam": {"decoupled_weight_decay": True}, "radam": {"decoupled_weight_decay": True}}
_NOT_TORCHS = frozenset({"type", "lr", "scale_parameter", "relative_step", "warmup_init"})


def build_optimizer(spec: OptimizerSpec, network: nn.Module, rate: float) -> Optimizer:
    """The optimizer over all parameters of the network that learn.

    Raises:
        ConfigError: the parameters of the optimizer do not go together.
    """
    if isinstance(spec, AdamSpec | AdamWSpec):
        return Adam(spec, network, rate)
    try:
        if isinstance(spec, MuonSpec):
            return _muon(spec, network, rate)
        if isinstance(spec, SparseAdamSpec):
            return _sparse_adam(spec, network, rate)
        arguments = spec.model_dump(exclude=set(_NOT_TORCHS)) | _DECOUPLED.get(spec.type, {})
        groups: list[dict[str, object]] = [{"params": _learning(network)}]
        if "weight_decay" in arguments:
            decays = _groups(network, arguments["weight_decay"])
            groups = [{"params": parameters, "weight_decay": decay} for parameters, decay in decays]
        return TorchOptimizer([getattr(torch.optim, _CLASSES[spec.type])(groups, lr=rate, **arguments)])
    except ValueError as error:
        raise ConfigError(Problem("trainer.optimizer", str(error))) from error


def layer_weights(network: nn.Module) -> list[nn.Parameter]:
    """The matrices of layers that learn: what weight decay and regularization act on.

    Not embeddings, biases, norms and scales: those have no size to lose, a penalty only shifts what they say.
    """
    embeddings = _embeddings(network)
    return [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad
        and parameter.ndim > 1
        and parameter not in embeddings
        and name.rpartition(".")[2] in ("weight", "bins")
    ]


def _learning(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _groups(network: nn.Module, weight_decay: float) -> list[tuple[list[nn.Parameter], float]]:
    """Parameters and their weight decay."""
    decayed = layer_weights(network) if weight_decay else []
    known = set(decayed)
    others = [parameter for parameter in _learning(network) if parameter not in known]
    return [(group, decay) for group, decay in ((decayed, weight_decay), (others, 0.0)) if group]


def _embeddings(network: nn.Module) -> set[nn.Parameter]:
    weights = (module.weight for module in network.modules() if isinstance(module, nn.Embedding))
    return {weight for weight in weights if isinstance(weight, nn.Parameter)}


def _together(optimizers: list[torch.optim.Optimizer | None], sparse: list[nn.Parameter]) -> TorchOptimizer:
    return TorchOptimizer([optimizer for optimizer in optimizers if optimizer is not None], sparse)


def _muon(spec: MuonSpec, network: nn.Module, rate: float) -> TorchOptimizer:
    """Muon for the matrices between layers; vectors, embeddings and higher ranks train with AdamW.

    Muon's update is scaled to the size of AdamW's, so that one learning rate serves both (Liu et al. 2025).
    """
    matrices = [parameter for parameter in layer_weights(network) if parameter.ndim == 2]
    known = set(matrices)
    others = [parameter for parameter in _learning(network) if parameter not in known]
    arguments = spec.model_dump(exclude={"type"})
    return _together(
        [
            torch.optim.Muon(matrices, lr=rate, adjust_lr_fn="match_rms_adamw", **arguments) if matrices else None,
            torch.optim.AdamW(others, lr=rate, weight_decay=0.0) if others else None,
        ],
        [],
    )


def _sparse_adam(spec: SparseAdamSpec, network: nn.Module, rate: float) -> TorchOptimizer:
    embeddings = _embeddings(network)
    sparse = [parameter for parameter in _learning(network) if parameter in embeddings]
    others = [parameter for parameter in _learning(network) if parameter not in embeddings]
    return _together(
        [
            torch.optim.SparseAdam(sparse, lr=rate, betas=spec.betas, eps=spec.eps) if sparse else None,
            torch.optim.Adam(others, lr=rate, betas=spec.betas, eps=spec.eps) if others else None,
        ],
        sparse,
    )
