"""One model on several processes: a copy for each (DDP), or a part of every weight (FSDP2)."""

from __future__ import annotations

import sys
import warnings

import torch
from torch import Tensor, nn

from ostinato.model.ecd import ECD
from ostinato.trainer.processes import Processes
from ostinato.trainer.rows import Batch


def data_parallel(model: ECD, processes: Processes, sample: Batch) -> nn.Module:
    """The model with gradients that are the mean over the processes; all begin with the first one's weights."""
    from torch.nn.parallel import DistributedDataParallel

    is_cuda = processes.device.type == "cuda"
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if is_cuda and norms:
        # A batch norm over one process's share of a batch would depend on how many there are.
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    loss = model.total_loss(model.losses(model(sample), sample))
    with warnings.catch_warnings():
        # The parameter has another name from torch 2.13 on.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        return DistributedDataParallel(
            model,
            device_ids=[processes.device] if is_cuda else None,
            # Other buffers do not change while training.
            broadcast_buffers=bool(norms) and not is_cuda,
            find_unused_parameters=not all_used(model, loss),
            gradient_as_bucket_view=True,
        )


def fully_shared(model: ECD) -> None:
    """Leaves each process a part of every weight; whole ones are put together where they are computed with."""
    from torch.distributed.fsdp import fully_shard

    # Outputs of a part may be views, and nothing here changes one in place.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
    for part in (*model.encoders.values(), model.combiner, *model.outputs.values()):
        if any(parameter.requires_grad for parameter in part.parameters()):
            fully_shard(part)
    fully_shard(model)


def is_fsdp(model: nn.Module) -> bool:
    """Whether the weights are shared out."""
    module = sys.modules.get("torch.distributed.fsdp")
    return module is not None and isinstance(model, module.FSDPModule)


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """Names and tensors of the model, each whole; with FSDP every process must ask."""
    state = model.state_dict()
    if not is_fsdp(model):
        return state
    from torch.distributed.tensor import DTensor

    return {name: tensor.full_tensor() if isinstance(tensor, DTensor) else tensor for name, tensor in state.items()}


def all_used(model: ECD, loss: Tensor) -> bool:
    """Whether the loss depends on every parameter that learns."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    return all(gradient is not None for gradient in gradients)
