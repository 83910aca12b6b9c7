"""Activations that are computed twice instead of kept (Chen et al. 2016)."""

from __future__ import annotations

import functools

from torch import nn
from torch.utils.checkpoint import checkpoint

from ostinato.model.ecd import ECD


def recompute_activations(model: ECD) -> None:
    """Makes each layer of the parts of a model keep its inputs only; a part without layers is one."""
    for part in (*model.encoders.values(), model.combiner):
        lists = [module for module in part.modules() if isinstance(module, nn.ModuleList)]
        # A list within a layer is a part of that layer.
        inner = {below for layers in lists for layer in layers for below in layer.modules()}
        layers = [layer for layers in lists if layers not in inner for layer in layers]
        for layer in layers or [part]:
            layer.forward = functools.partial(checkpoint, layer.forward, use_reentrant=False)
