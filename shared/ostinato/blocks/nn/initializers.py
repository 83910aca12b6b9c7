"""How weights start."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from ostinato.blocks.spec import Initializer, InitializerSpec
from ostinato.errors import ConfigError, Problem

_LEAST_DIMENSIONS = {"uniform": 1, "normal": 1, "constant": 1, "ones": 1, "zeros": 1, "dirac": 3}
_TWO_DIMENSIONS = ("eye", "identity", "sparse")


def initialize(weight: Tensor, initializer: Initializer) -> None:
    """Fills the weight in place.

    Raises:
        ConfigError: the initializer does not suit a weight of that many dimensions.
    """
    spec = InitializerSpec(type=initializer) if isinstance(initializer, str) else initializer
    suits = weight.ndim == 2 if spec.type in _TWO_DIMENSIONS else weight.ndim >= _LEAST_DIMENSIONS.get(spec.type, 2)
    if not suits:
        what = "a bias" if weight.ndim == 1 else f"weights of {weight.ndim} dimensions"
        raise ConfigError(
            Problem("", f"the initializer '{spec.type}' does not suit {what}", "uniform, normal, constant, ones, zeros")
        )
    _fill(weight, spec)


def _fill(weight: Tensor, spec: InitializerSpec) -> None:
    gain = 1.0 if spec.gain is None else spec.gain
    slope = spec.a or 0.0
    # torch's own bounds of `uniform`, 0 and 1, start every unit as the sum of its inputs.
    bound = float(weight.shape[-1]) ** -0.5
    low, high = -bound if spec.a is None else spec.a, bound if spec.b is None else spec.b
    std = 1.0 if spec.std is None else spec.std
    fill: dict[str, Callable[[], object]] = {
        "uniform": lambda: nn.init.uniform_(weight, low, high),
        "normal": lambda: nn.init.normal_(weight, spec.mean or 0.0, std),
        "constant": lambda: nn.init.constant_(weight, spec.val or 0.0),
        "ones": lambda: nn.init.ones_(weight),
        "zeros": lambda: nn.init.zeros_(weight),
        "eye": lambda: nn.init.eye_(weight),
        "identity": lambda: nn.init.eye_(weight),
        "dirac": lambda: nn.init.dirac_(weight),
        "xavier_uniform": lambda: nn.init.xavier_uniform_(weight, gain),
        "xavier_normal": lambda: nn.init.xavier_normal_(weight, gain),
        "kaiming_uniform": lambda: nn.init.kaiming_uniform_(weight, slope),
        "kaiming_normal": lambda: nn.init.kaiming_normal_(weight, slope),
        "orthogonal": lambda: nn.init.orthogonal_(weight, gain),
        "sparse": lambda: nn.init.sparse_(
            weight, 0.1 if spec.sparsity is None else spec.sparsity, 0.01 if spec.std is None else std
        ),
    }
    fill[spec.type]()
