"""ECD: encoders, combiner, decoders. N rows, F features, D units, K logits, E ensemble members."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ostinato.config import Config
from ostinato.errors import listing
from ostinato.features.spec import InputSpec, OutputSpec
from ostinato.model.calibration import fit_temperature
from ostinato.model.output import Output
from ostinato.model.wiring import Group, at, build_encoders, by_key, dependency_order, module_key
from ostinato.module import Block, Combiner, Encoder, GroupEncoder, SumUp
from ostinato.registry import implementation
from ostinato.shape import Shape


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
        targets = first.num_scores
        input_shapes = {spec.name: dataclasses.replace(shapes[spec.name], num_targets=targets) for spec in inputs}
        self._types = {spec.name: spec.type for spec in inputs}
        self.groups, encoders = build_encoders(inputs, input_shapes)
        self.encoders = nn.ModuleDict(encoders)
        self.paddings = {
            name: input_shapes[name].padding_code
            for group in self.groups
            for name in group.features
            if input_shapes[name].kind == "sequence"
            and isinstance(encoder := self.encoders[group.key], Encoder)
            and encoder.skips_padding
        }
        """The code of padding in each sequence whose encoder skips it."""
        blocks = [self._block(group) for group in self.groups]
        with at("combiner"):
            self.combiner: Combiner = implementation(type(config.combiner))(config.combiner, blocks)
        self.order = dependency_order(outputs)
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
        mask = self.combiner.mask(masks) if self.combiner.output_length else None
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

    def losses(
        self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor], sum_up: SumUp | None = None
    ) -> dict[str, Tensor]:
        """The unweighted loss of each output: the mean over rows and members; rows without a target are left out.

        With `sum_up`, the mean over the rows of all processes that share the batch.
        """
        losses: dict[str, Tensor] = {}
        for name in self.loss_weights:
            values, target = logits[name].float(), targets[name]
            if values.ndim == 3:
                target = target.repeat_interleave(values.shape[1], dim=0)
                values = values.flatten(0, 1)
            losses[name] = self.output(name).loss(values, target, sum_up)
        return losses

    @property
    def adds_up(self) -> bool:
        """Whether the gradient of a batch is that of its parts, each weighed by `total_weights`."""
        looks_at_the_batch = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.modules())
        return not looks_at_the_batch and all(self.output(name).loss.is_mean for name in self.loss_weights)

    def total_weights(self, targets: Mapping[str, Tensor]) -> Tensor:
        """[O] the weight that the rows have in the loss of each output."""
        return torch.stack([self.output(name).loss.total_weight(targets[name]) for name in self.loss_weights])

    def total_loss(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the outputs' losses."""
        return torch.stack([losses[name] * weight for name, weight in self.loss_weights.items()]).sum()

    def scores(self, logits: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What `OutputColumn.predictions` takes: number [N], binary [N], else [N, K]."""
        return {name: self.output(name).scores(logits[name]) for name in self.loss_weights}

    @torch.no_grad()
    def fit(self, inputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Lets encoders learn bin edges and target means, and outputs their scale, from (a sample of) training rows."""
        for name in self.loss_weights:
            if name in targets:
                self.output(name).fit(targets[name])
        for key, groups in by_key(self.groups).items():
            encoder = self.encoders[key]
            if isinstance(encoder, GroupEncoder):
                parts = [torch.stack([inputs[name] for name in group.features], dim=1) for group in groups]
                encoder.fit(torch.cat(parts))
            else:
                assert isinstance(encoder, Encoder)
                target = targets.get(self.first_output)
                columns = [inputs[group.features[0]] for group in groups]
                if len({column.shape[1:] for column in columns}) == 1:
                    encoder.fit(torch.cat(columns), None if target is None else torch.cat([target] * len(groups)))

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
            for key, groups in by_key(self.groups).items()
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
            return Block(group.features, encoder.output_size, types=self._types_of(group))
        assert isinstance(encoder, Encoder)
        *steps, size = encoder.output_shape
        return Block(group.features, size, steps[0] if steps else 0, self._types_of(group))

    def _types_of(self, group: Group) -> tuple[str, ...]:
        return tuple(self._types[name] for name in group.features)


class Scores(nn.Module):
    """The network from encoded columns, in the order of `inputs`, to scores, in the order of the config's outputs.

    This is what is exported: `torch.onnx.export(Scores(model), columns, dynamo=True, input_names=…, output_names=…,
    dynamic_shapes=(tuple({0: torch.export.Dim("batch")} for _ in columns),))`. It takes no dict, because torch.export
    wants keys that are Python names.

    Args:
        model: the network.
        inputs: names of all input features; those of the encoders in turn where it is empty.
    """

    def __init__(self, model: ECD, inputs: Sequence[str] = ()) -> None:
        super().__init__()
        self.model = model
        self.inputs = tuple(inputs) or tuple(name for group in model.groups for name in group.features)
        self.outputs = tuple(model.loss_weights)
        self.train(model.training)

    def forward(self, *columns: Tensor) -> tuple[Tensor, ...]:
        """[N] or [N, T] for each input -> scores [N] or [N, K] of each output."""
        scores = self.model.scores(self.model(dict(zip(self.inputs, columns, strict=True))))
        return tuple(scores[name] for name in self.outputs)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
