"""Optimizers by their spec."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from ostinato.errors import ConfigError
from ostinato.trainer.optimizer import Optimizer, build_optimizer
from ostinato.trainer.spec import OPTIMIZERS, AdamSpec, AdamWSpec, MuonSpec, NAdamSpec, SGDSpec, SparseAdamSpec


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def loss(net: nn.Module) -> torch.Tensor:
    return ((net(torch.tensor([0, 1, 2])) - torch.tensor([[1.0], [0.0], [-1.0]])) ** 2).mean()


def train(net: nn.Module, optimizer: Optimizer, steps: int) -> None:
    def closure() -> float:
        net.zero_grad()
        value = loss(net)
        value.backward()
        return float(value.detach())

    for _ in range(steps):
        closure()
        optimizer.step(closure)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_every_optimizer_learns(name: str) -> None:
    net = network()
    before = float(loss(net).detach())
    train(net, build_optimizer(OPTIMIZERS.get(name)(), net, 0.01), 30)
    assert float(loss(net).detach()) < before


@pytest.mark.parametrize(
    ("spec", "reference"),
    [
        (AdamSpec(weight_decay=0.1), torch.optim.Adam),
        (AdamSpec(amsgrad=True), torch.optim.Adam),
        (AdamWSpec(weight_decay=0.1, betas=(0.8, 0.9)), torch.optim.AdamW),
    ],
)
def test_adam_is_that_of_torch_to_the_bit(spec: AdamSpec | AdamWSpec, reference: type[torch.optim.Adam]) -> None:
    ours, theirs = network(), network()
    train(ours, build_optimizer(spec, ours, 0.01), 20)

    optimizer = reference(
        [
            {"params": [theirs[1].weight, theirs[3].weight], "weight_decay": spec.weight_decay},
            {"params": [theirs[0].weight, theirs[1].bias, theirs[3].bias], "weight_decay": 0.0},
        ],
        lr=0.01,
        betas=spec.betas,
        eps=spec.eps,
        amsgrad=spec.amsgrad,
        fused=True,
    )
    for _ in range(20):
        optimizer.zero_grad()
        loss(theirs).backward()
        optimizer.step()

    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_a_parameter_without_gradient_stays() -> None:
    net = network()
    optimizer = build_optimizer(AdamWSpec(weight_decay=0.5), net, 0.1)
    weight = net[1].weight.detach().clone()
    loss(net).backward()
    net[1].weight.grad = None
    optimizer.step(lambda: 0.0)
    assert torch.equal(net[1].weight, weight)


@pytest.mark.parametrize("name", ["adamw", "sgd", "rmsprop", "adagrad"])
def test_weight_decay_acts_on_the_weights_of_layers_only(name: str) -> None:
    net = network()
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    optimizer = build_optimizer(OPTIMIZERS.get(name).model_validate({"type": name, "weight_decay": 0.5}), net, 0.1)
    optimizer.step(lambda: 0.0)
    moved = {key for key, value in net.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {"1.weight", "3.weight"}


def test_sparse_adam_leaves_vectors_alone_that_are_not_in_the_batch() -> None:
    net = network()
    before = net[0].weight.detach().clone()
    train(net, build_optimizer(SparseAdamSpec(), net, 0.01), 3)
    assert torch.equal(net[0].weight[3:], before[3:])
    assert not torch.equal(net[0].weight[:3], before[:3])


def test_muon_trains_vectors_and_embeddings_too() -> None:
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    train(net, build_optimizer(MuonSpec(), net, 0.01), 3)
    assert all(not torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_learning_rate_can_change() -> None:
    for spec in (AdamSpec(), SGDSpec()):
        net = network()
        optimizer = build_optimizer(spec, net, 0.01)
        optimizer.set_learning_rate(0.0)
        before = net[1].weight.detach().clone()
        train(net, optimizer, 1)
        assert torch.equal(net[1].weight, before)


def test_parameters_that_clash_are_an_error_that_names_them() -> None:
    with pytest.raises(ConfigError, match="Invalid beta parameter"):
        build_optimizer(NAdamSpec(betas=(1.0, 0.9)), network(), 0.01)


def test_the_default_optimizer_does_not_import_dynamo() -> None:
    code = (
        "import sys, torch; from torch import nn; from ostinato.trainer.optimizer import build_optimizer; "
        "from ostinato.trainer.spec import TrainerSpec; net = nn.Linear(2, 1); "
        "optimizer = build_optimizer(TrainerSpec().optimizer, net, 0.1); net(torch.ones(1, 2)).sum().backward(); "
        "nn.utils.clip_grad_norm_(net.parameters(), 1.0, foreach=True); optimizer.step(lambda: 0.0); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
