"""ECD: encoders, combiner, decoders. N rows, F features, D units, K logits, E ensemble members."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import torch
from torch import Tensor, nn

from ostinato.blocks.nn.reduce import Reducer, reducer
from ostinato.config import Config
from ostinato.decoders.nn import check_classes
from ostinato.errors import ConfigError, Problem, listing
from ostinato.features.number.spec import NumberOutputSpec
from ostinato.features.spec import InputSpec, OutputSpec
from ostinato.model.calibration import calibrated, fit_temperature
from ostinato.module import Block, Combiner, Decoder, Encoder, GroupEncoder, Loss
from ostinato.registry import implementation
from ostinato.shape import Shape


@dataclass(frozen=True)
class Group:
    """Input features that one call of one encoder turns into one block."""

    key: str
    """Name of the encoder's module."""
    features: tuple[str, ...]


class ECD(nn.Module):
    """The network of a config: an encoder for each input, a combiner, a decoder and a loss for each output.

    Tensors go in and come out by feature name; what they look like is told by the shapes.

    Raises:
        ConfigError: the config asks for what the data can't give; names the feature.
    """

    def __init__(self, config: Config, shapes: Mapping[str, Shape]) -> None:
        super().__init__()
        inputs: tuple[InputSpec, ...] = config.input_features
        outputs: tuple[OutputSpec, ...] = config.output_features
        self.first_output = outputs[0].name
        first = shapes[self.first_output]
        num_targets = first.vocab_size if first.kind == "code" else 1
        input_shapes = {spec.name: dataclasses.replace(shapes[spec.name], num_targets=num_targets) for spec in inputs}
        self.groups, encoders = _encoders(inputs, input_shapes)
        self.encoders = nn.ModuleDict(encoders)
        blocks = [self._block(group) for group in self.groups]
        with at("combiner"):
            self.combiner: Combiner = implementation(type(config.combiner))(config.combiner, blocks)
        self.order = _dependency_order(outputs)
        self.outputs = nn.ModuleDict()
        widths: dict[str, int] = {}
        by_name = {spec.name: spec for spec in outputs}
        for name in self.order:
            spec = by_name[name]
            extra = sum(widths[other] for other in spec.dependencies)
            with at(f"output feature '{name}'"):
                output = Output(spec, shapes[name], self.combiner, extra)
            self.outputs[module_key(name)] = output
            widths[name] = output.decoder.hidden_size + output.loss.num_scores
        for other in {other for spec in outputs for other in spec.dependencies}:
            self.output(other).is_depended_on = True
        self.loss_weights = {spec.name: float(spec.loss.weight) for spec in outputs}

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Encoded columns -> logits of each output, [N, K] or [N, E, K]."""
        encodings, masks = self.encode(inputs)
        combined = self.combiner(encodings, masks)
        mask = _any_step(masks) if self.combiner.output_length else None
        logits: dict[str, Tensor] = {}
        seen: dict[str, Tensor] = {}
        for name in self.order:
            output = self.output(name)
            logits[name], hidden = output(combined, mask, [seen[other] for other in output.dependencies])
            if output.is_depended_on:
                seen[name] = torch.cat([hidden, output.loss.link(logits[name])], dim=-1)
        return {name: logits[name] for name in self.loss_weights}

    def encode(self, inputs: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor | None]]:
        """Encoded columns -> [N, F, D] or [N, T, D] for each group, and the masks of sequences."""
        encodings: list[Tensor] = []
        masks: list[Tensor | None] = []
        for group in self.groups:
            encoder = self.encoders[group.key]
            mask = None
            if isinstance(encoder, GroupEncoder):
                encoding = encoder(torch.stack([inputs[name] for name in group.features], dim=1))
            else:
                assert isinstance(encoder, Encoder)
                column = inputs[group.features[0]]
                encoding = encoder(column)
                if len(encoder.output_shape) == 1:
                    encoding = encoding.unsqueeze(1)
                else:
                    mask = encoder.mask(column)
            encodings.append(encoding)
            masks.append(mask)
        return encodings, masks

    def losses(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The unweighted loss of each output: the mean over rows and members; rows without a target are left out."""
        losses: dict[str, Tensor] = {}
        for name in self.loss_weights:
            values, target = logits[name].float(), targets[name]
            if values.ndim == 3:
                target = target.unsqueeze(1).expand(-1, values.shape[1]).reshape(-1)
                values = values.flatten(0, 1)
            losses[name] = self.output(name).loss(values, target)
        return losses

    def total_loss(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the outputs' losses."""
        return torch.stack([losses[name] * weight for name, weight in self.loss_weights.items()]).sum()

    def scores(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What `OutputColumn.predictions` takes: number [N] (clipped), binary [N], category [N, K] probabilities."""
        return {name: self.output(name).scores(logits[name]) for name in self.loss_weights}

    @torch.no_grad()
    def fit(self, inputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Lets the encoders learn bin edges and target means from training rows; a sample of them is enough."""
        for key, groups in _by_key(self.groups).items():
            encoder = self.encoders[key]
            if isinstance(encoder, GroupEncoder):
                parts = [torch.stack([inputs[name] for name in group.features], dim=1) for group in groups]
                encoder.fit(torch.cat(parts))
            else:
                assert isinstance(encoder, Encoder)
                target = targets.get(self.first_output)
                columns = [inputs[group.features[0]] for group in groups]
                if len({column.shape[1:] for column in columns}) == 1:
                    encoder.fit(torch.cat(columns), None if target is None else target.repeat(len(groups)))

    def calibrate(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Fits the temperature of each output with `calibration: true` on validation rows."""
        for name in self.loss_weights:
            output = self.output(name)
            if output.calibration:
                temperature = fit_temperature(output.uncalibrated(logits[name].detach().float()), targets[name])
                output.temperature.fill_(temperature)

    def summary(self) -> list[tuple[str, int]]:
        """Trainable parameters by part: each encoder (by its features), the combiner, each output; then the total."""
        rows = [
            (listing((repr(name) for group in groups for name in group.features), most=5), _size(self.encoders[key]))
            for key, groups in _by_key(self.groups).items()
        ]
        rows.append(("combiner", _size(self.combiner)))
        rows.extend((repr(name), _size(self.output(name))) for name in self.loss_weights)
        return [*rows, ("total", _size(self))]

    def output(self, name: str) -> Output:
        """The decoder and loss of an output feature."""
        output = self.outputs[module_key(name)]
        assert isinstance(output, Output)
        return output

    def _block(self, group: Group) -> Block:
        encoder = self.encoders[group.key]
        if isinstance(encoder, GroupEncoder):
            return Block(group.features, encoder.output_size)
        assert isinstance(encoder, Encoder)
        *steps, size = encoder.output_shape
        return Block(group.features, size, steps[0] if steps else 0)


class Output(nn.Module):
    """An output feature's side of the network: decoder, loss, calibration."""

    temperature: Tensor

    def __init__(self, spec: OutputSpec, shape: Shape, combiner: Combiner, extra: int) -> None:
        super().__init__()
        check_classes(spec.decoder, shape.classes)
        self.dependencies = spec.dependencies
        self.is_depended_on = False
        self.reduce: Reducer | None = None
        size = combiner.output_size
        if combiner.output_length:
            self.reduce = reducer(spec.reduce_input, combiner.output_length, size)
            assert self.reduce is not None
            size = self.reduce.output_size
        self.loss: Loss = implementation(type(spec.loss))(spec.loss, shape)
        self.decoder: Decoder = implementation(type(spec.decoder))(
            spec.decoder, size + extra, self.loss.num_logits, combiner.num_members
        )
        self.kind = shape.kind
        self.calibration = bool(getattr(spec, "calibration", False))
        self.register_buffer("temperature", torch.ones(()))
        self.clip: tuple[float, float] | None = None
        if isinstance(spec, NumberOutputSpec) and spec.clip is not None:
            self.clip = (shape.encoded(spec.clip[0]), shape.encoded(spec.clip[1]))

    def forward(self, combined: Tensor, mask: Tensor | None, others: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The combiner's output and what dependencies give -> logits [..., K], last hidden layer."""
        hidden = combined if self.reduce is None else self.reduce(combined, mask)
        if others:
            hidden = torch.cat([hidden, *others], dim=-1)
        logits, last = self.decoder(hidden)
        return logits, last

    def uncalibrated(self, logits: Tensor) -> Tensor:
        """[N, K] or [N, E, K] logits -> [N] or [N, K] scores, the mean over the members."""
        scores = self.loss.link(logits.float())
        if scores.ndim == 3:
            scores = scores.mean(dim=1)
        return scores if self.kind == "code" else scores.squeeze(-1)

    def scores(self, logits: Tensor) -> Tensor:
        """[N, K] or [N, E, K] logits -> [N] or [N, K] scores, calibrated and clipped."""
        scores = self.uncalibrated(logits)
        if self.calibration:
            return calibrated(scores, self.temperature)
        return scores if self.clip is None else scores.clamp(*self.clip)


class Scores(nn.Module):
    """The network from encoded columns, in the order of `inputs`, to scores, in the order of `outputs`.

    This is what is exported: `torch.onnx.export(Scores(model), columns, dynamo=True, input_names=…, output_names=…,
    dynamic_shapes=(tuple({0: torch.export.Dim("batch")} for _ in columns),))`. It takes no dict, because torch.export
    wants keys that are Python names.
    """

    def __init__(self, model: ECD) -> None:
        super().__init__()
        self.model = model
        self.inputs = tuple(name for group in model.groups for name in group.features)
        self.outputs = tuple(model.loss_weights)
        self.train(model.training)

    def forward(self, *columns: Tensor) -> tuple[Tensor, ...]:
        """[N] or [N, T] for each input -> scores [N] or [N, K] of each output."""
        scores = self.model.scores(self.model(dict(zip(self.inputs, columns, strict=True))))
        return tuple(scores[name] for name in self.outputs)


def module_key(name: str) -> str:
    """A name for a module by the name of a feature; torch forbids dots and names of its own attributes.

    >>> module_key("body.mass (g)")
    '_body%2Emass%20%28g%29'
    """
    return "_" + quote(name, safe="").replace(".", "%2E")


@contextlib.contextmanager
def at(place: str) -> Iterator[None]:
    """Says in every ConfigError from within where it happened."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(
            dataclasses.replace(problem, where=f"{place}, {problem.where}" if problem.where else place)
            for problem in error.problems
        ) from error


def _encoders(inputs: Sequence[InputSpec], shapes: Mapping[str, Shape]) -> tuple[list[Group], dict[str, nn.Module]]:
    """The groups of features and the encoder of each, by key, in the order of the first feature of each."""
    roots = _tie_roots(inputs)
    is_tied = set(roots.values()) & {roots[name] for name in roots if roots[name] != name}
    members: dict[tuple[str, str], list[InputSpec]] = {}
    for spec in inputs:
        grouped = issubclass(implementation(type(spec.encoder)), GroupEncoder) and roots[spec.name] not in is_tied
        own = "" if grouped else spec.name
        members.setdefault((own, spec.encoder.model_dump_json() if grouped else ""), []).append(spec)
    by_name = {spec.name: spec for spec in inputs}
    groups: list[Group] = []
    encoders: dict[str, nn.Module] = {}
    for features in members.values():
        names = tuple(spec.name for spec in features)
        root = by_name[roots[names[0]]]
        key = module_key(root.name) if len(names) == 1 else f"{root.encoder.type}_{len(groups)}"
        groups.append(Group(key, names))
        if key not in encoders:
            with at(f"input feature '{root.name}'"):
                encoders[key] = _encoder(root, [shapes[root.name]] if len(names) == 1 else [shapes[n] for n in names])
    return groups, encoders


def _encoder(spec: InputSpec, shapes: Sequence[Shape]) -> nn.Module:
    cls = implementation(type(spec.encoder))
    encoder: nn.Module = cls(spec.encoder, shapes if issubclass(cls, GroupEncoder) else shapes[0])
    return encoder


def _tie_roots(inputs: Sequence[InputSpec]) -> dict[str, str]:
    """For each input the one whose encoder it uses: its own, or that at the end of its `tied`."""
    by_name = {spec.name: spec for spec in inputs}
    roots: dict[str, str] = {}
    for spec in inputs:
        root, seen = spec, {spec.name}
        while root.tied is not None:
            other = by_name.get(root.tied)
            if other is None or other.name in seen or other.type != spec.type:
                raise ConfigError(
                    Problem(
                        f"input feature '{spec.name}', tied",
                        f"found '{root.tied}'",
                        f"another input feature of type {spec.type}, not in a circle",
                    )
                )
            root = other
            seen.add(other.name)
        roots[spec.name] = root.name
    return roots


def _dependency_order(outputs: Sequence[OutputSpec]) -> list[str]:
    """Names of the outputs, each after those it depends on.

    Raises:
        ConfigError: a dependency that is no output, or a circle of them.
    """
    names = [spec.name for spec in outputs]
    problems = [
        Problem(f"output feature '{spec.name}', dependencies", f"'{other}' is no output feature", listing(names))
        for spec in outputs
        for other in spec.dependencies
        if other not in names
    ]
    if problems:
        raise ConfigError(problems)
    order: list[str] = []
    waiting = list(outputs)
    while waiting:
        ready = [spec for spec in waiting if set(spec.dependencies) <= set(order)]
        if not ready:
            circle = listing(repr(spec.name) for spec in waiting)
            raise ConfigError(Problem("output features, dependencies", f"{circle} depend on each other in a circle"))
        order.extend(spec.name for spec in ready)
        waiting = [spec for spec in waiting if spec not in ready]
    return order


def _any_step(masks: Sequence[Tensor | None]) -> Tensor | None:
    """[N, T] true where any of the sequences has a step; None where one has no padding at all."""
    known = [mask for mask in masks if mask is not None]
    return torch.stack(known).any(dim=0) if known and len(known) == len(masks) else None


def _by_key(groups: Sequence[Group]) -> dict[str, list[Group]]:
    keyed: dict[str, list[Group]] = {}
    for group in groups:
        keyed.setdefault(group.key, []).append(group)
    return keyed


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
