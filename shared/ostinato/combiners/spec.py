"""The registry of combiners."""

from __future__ import annotations

from typing import Any

from ostinato.blocks.spec import FCLayers, Initializer, Norm
from ostinato.registry import Registry
from ostinato.spec import NonNegativeInt, PositiveInt, Spec

COMBINERS = Registry("combiner", pending={"": frozenset({
    "comparator", "cross_attention", "gated_fusion", "hypernetwork", "perceiver", "project_aggregate",
    "sequence_concat", "sequence", "tabtransformer", "tabnet", "tabpfn_v2", "transformer", "tabm",
})})  # fmt: skip


class CombinerSpec(Spec):
    """What every combiner can be told."""

    type: str
    """Name of the combiner."""
    use_bias: bool = True
    """Whether the fully connected layers have a bias."""
    bias_initializer: Initializer = "zeros"
    """How the biases start."""
    weights_initializer: Initializer = "xavier_uniform"
    """How the weights start."""
    num_fc_layers: NonNegativeInt = 0
    """Number of fully connected layers after the combination; ignored where `fc_layers` lists them."""
    output_size: PositiveInt = 256
    """Units of each fully connected layer."""
    norm: Norm | None = None
    """Normalization before each activation; null for none."""
    norm_params: dict[str, Any] | None = None
    """Parameters of the normalization."""
    fc_layers: FCLayers | None = None
    """The fully connected layers one by one."""
