"""Raw rows in, predictions out: the columns of training around a network, torch's or ONNX's.

N rows, T steps of a sequence, K classes. With `network="onnx"` no torch is imported.

A prediction depends on its own row only; sums of floats in another order change a score by about 1e-6 of its size
with the size of the batch. So nothing is filled from neighbouring rows (`bfill`, `ffill`): there the mean or the most
frequent value stands for a missing one. No row is ever left out: where training dropped rows with a missing input
(`drop_row`), the value counts as unknown here (the mean; the slot of unknown values).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from ostinato import storage
from ostinato.artifacts import BUNDLE, HYPERPARAMETERS, MANIFEST, METADATA, ONNX, Manifest
from ostinato.bundle import Bundle, load_bundle
from ostinato.column import Column, Fitted, OutputColumn, input_column, output_column, read_fitted
from ostinato.config import Config
from ostinato.errors import DataError, Problem, did_you_mean, listing
from ostinato.load import from_json

if TYPE_CHECKING:
    from torch import Tensor

    from ostinato.batches import Source
    from ostinato.model.ecd import ECD

NetworkKind = Literal["torch", "onnx"]
BATCH_SIZE = 2048
"""Rows that go through the network at once; on a CPU twice as fast as 8,192, whose activations leave the cache."""


class Network(Protocol):
    """What turns encoded inputs into scores."""

    def scores(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """[N] or [N, T] by input -> scores by output, as `OutputColumn.predictions` takes them."""


@dataclass
class Report:
    """What was odd about the rows of one call."""

    rows: int = 0
    """Rows predicted."""
    unseen: dict[str, int] = field(default_factory=dict)
    """By category input: values that no training row had."""
    unparsable: dict[str, int] = field(default_factory=dict)
    """By input: values that could not be read, or are infinite; they count as missing."""
    samples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By input: some of the values that could not be read."""

    def warnings(self) -> list[str]:
        """One line for each input with odd values."""
        return [
            f"{name}: {count:,} of {self.rows:,} values are unknown to the model (none, or too rare, in training)"
            for name, count in self.unseen.items()
        ] + [
            f"{name}: {count:,} of {self.rows:,} values can't be read and count as missing"
            + (f", such as {listing(map(repr, self.samples[name]))}" if self.samples[name] else "")
            for name, count in self.unparsable.items()
        ]


class Predictor:
    """Predicts raw rows. `report` says what was odd about the rows of the last call."""

    def __init__(
        self, config: Config, fitted: Mapping[str, Fitted], network: Network, manifest: Manifest | None = None
    ) -> None:
        self.config = config
        self.fitted = dict(fitted)
        self.network = network
        self.manifest = manifest
        """The data that the model was trained on, where that is known."""
        self.report = Report()
        self.inputs: dict[str, Column[Any, Any]] = {spec.name: input_column(spec) for spec in config.input_features}
        self.outputs: dict[str, OutputColumn[Any, Any]] = {
            spec.name: output_column(spec) for spec in config.output_features
        }
        self.sources: dict[str, str] = {spec.name: spec.source for spec in config.input_features}
        self._categories = {spec.name for spec in config.input_features if spec.type == "category"}

    @classmethod
    def load(cls, folder: str, network: NetworkKind = "torch", *, device: str | None = None) -> Predictor:
        """The predictor of a model folder, or of a bundle, whose checksums are verified.

        Args:
            folder: written by the train or the export step.
            network: `onnx` needs a bundle with a `model.onnx`; it needs no torch.
            device: of torch; None for the GPU where there is one.

        Raises:
            DataError: the folder holds no whole model, or no network of that kind.
        """
        folder = str(folder).rstrip("/")
        bundle = load_bundle(folder) if storage.exists(f"{folder}/{BUNDLE}") else None
        if network == "onnx" and (bundle is None or bundle.no_onnx):
            why = bundle.no_onnx if bundle else "it is a model folder; the export step makes a bundle of it"
            raise DataError(Problem(folder, f"holds no {ONNX}: {why}"))
        manifest = None
        if storage.exists(f"{folder}/{MANIFEST}"):
            manifest = Manifest.model_validate_json(_read(folder, MANIFEST))
        if network == "torch":
            from ostinato.model.folder import load_model

            config, fitted, model = load_model(folder)
            return cls(config, fitted, TorchNetwork(model, device), manifest)
        assert bundle is not None, "checked above"
        config = from_json(_read(folder, HYPERPARAMETERS).decode())
        metadata = json.loads(_read(folder, METADATA))
        specs = (*config.input_features, *config.output_features)
        fitted = {spec.name: read_fitted(spec, metadata[spec.name]) for spec in specs}
        return cls(config, fitted, OnnxNetwork(_read(folder, ONNX), bundle), manifest)

    def predict(self, table: pa.Table | pa.RecordBatch, *, batch_size: int = BATCH_SIZE) -> pa.Table:
        """Raw rows -> columns of predictions, `<output>_predictions` and others as Ludwig names them, in order.

        Columns that are no inputs are ignored. An empty table gives an empty table with the same columns.

        Raises:
            DataError: columns of inputs are missing; names all of them.
        """
        self.report = Report()
        self.check_columns(table.column_names)
        parts = [
            self._predict(table.slice(start, batch_size)) for start in range(0, max(table.num_rows, 1), batch_size)
        ]
        return pa.concat_tables(parts)

    def predict_stream(self, source: Source, *, batch_size: int = BATCH_SIZE) -> Iterator[pa.Table]:
        """Predictions of a source, at most `batch_size` rows at a time; at least one table, which may be empty.

        Raises:
            DataError: columns of inputs are missing, or the data can't be read.
        """
        self.report = Report()
        self.check_columns(source.column_names())
        is_empty = True
        for batch in source.batches(self.columns(), self.types()):
            for start in range(0, batch.num_rows, batch_size):
                is_empty = False
                yield self._predict(batch.slice(start, batch_size))
        if is_empty:
            yield self._predict(pa.table({name: pa.nulls(0, kind) for name, kind in self.types().items()}))

    def columns(self) -> list[str]:
        """Columns of the data that the inputs read, each once."""
        return list(dict.fromkeys(self.sources.values()))

    def types(self, *, targets: bool = False) -> dict[str, pa.DataType]:
        """The type at which a reader of text should aim, by column; that of the outputs too, if asked for.

        Text where features of different types read the same column, as in preprocessing.
        """
        specs = (*self.config.input_features, *(self.config.output_features if targets else ()))
        columns = self.inputs | self.outputs
        types: dict[str, pa.DataType] = {}
        for spec in specs:
            own = columns[spec.name].arrow_type
            types[spec.source] = own if types.get(spec.source, own) == own else pa.string()
        return types

    def check_columns(self, names: list[str]) -> None:
        """Says which columns of inputs are not among the names.

        Raises:
            DataError: some are missing.
        """
        spare = set(names) - set(self.columns())
        problems = [
            Problem(
                feature,
                f"the data have no column '{source}', which this input feature reads",
                allowed="" if spare else f"the columns are: {listing(names)}",
                hint=did_you_mean(source, sorted(spare)),
            )
            for feature, source in self.sources.items()
            if source not in names
        ]
        if problems:
            raise DataError(problems)

    def encode_inputs(self, batch: pa.Table | pa.RecordBatch) -> dict[str, np.ndarray]:
        """Raw rows -> what the network takes, by input: [N] or [N, T]. Adds to `report`."""
        self.report.rows += batch.num_rows
        return {
            name: self._encode(name, column, batch.column(self.sources[name])) for name, column in self.inputs.items()
        }

    def predictions(self, scores: Mapping[str, np.ndarray]) -> pa.Table:
        """Scores by output -> the columns of predictions."""
        columns: dict[str, pa.Array] = {}
        for name, column in self.outputs.items():
            columns |= column.predictions(scores[name], self.fitted[name])
        return pa.table(columns)

    def warnings(self, source: Source | None = None) -> list[str]:
        """What a person should know of the last call; with the source, also whether it was used in training."""
        found = self.report.warnings()
        if source is not None and self.was_trained_on(source):
            found.append(
                f"{source.uri} was used to train this model: on rows it was trained on, it looks better than it is"
            )
        return found

    def was_trained_on(self, source: Source) -> bool:
        """Whether the source's content is that of the data the model was trained on."""
        return self.manifest is not None and source.digest() == self.manifest.source_digest

    def output_columns(self, name: str) -> list[str]:
        """Names of the columns that are predicted for an output."""
        return list(self.outputs[name].predictions(self._no_scores()[name], self.fitted[name]))

    def _predict(self, batch: pa.Table | pa.RecordBatch) -> pa.Table:
        if batch.num_rows == 0:
            return self.predictions(self._no_scores())
        return self.predictions(self.network.scores(self.encode_inputs(batch)))

    def _no_scores(self) -> dict[str, np.ndarray]:
        shapes = {name: column.shape(self.fitted[name]) for name, column in self.outputs.items()}
        return {
            name: np.zeros((0, shape.vocab_size) if shape.kind == "code" else 0, dtype=np.float32)
            for name, shape in shapes.items()
        }

    def _encode(self, name: str, column: Column[Any, Any], raw: pa.Array | pa.ChunkedArray) -> np.ndarray:
        parsed, unparsable = column.parse(raw)
        odd = unparsable.count + unparsable.infinite
        if odd:
            self.report.unparsable[name] = self.report.unparsable.get(name, 0) + odd
            self.report.samples[name] = (*self.report.samples.get(name, ()), *unparsable.samples)[:5]
        encoded = column.encode(parsed, self.fitted[name])
        if name in self._categories:
            # 0 is the slot of unknown values; a missing value lies there too, but is no news.
            present = parsed.is_valid().to_numpy(zero_copy_only=False)
            unseen = int(np.count_nonzero((encoded == 0) & present))
            if unseen:
                self.report.unseen[name] = self.report.unseen.get(name, 0) + unseen
        return encoded


class TorchNetwork:
    """The network by torch."""

    def __init__(self, model: ECD, device: str | None = None) -> None:
        import torch

        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval()

    def logits(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """[N] or [N, T] by input -> logits by output, [N, K] or [N, E, K], in inference mode."""
        import torch

        with torch.inference_mode():
            # torch.tensor copies: arrays of Arrow are read-only, which from_numpy warns about.
            logits: dict[str, Tensor] = self.model(
                {name: torch.tensor(column, device=self.device) for name, column in inputs.items()}
            )
        return logits

    def scores(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """[N] or [N, T] by input -> scores by output."""
        import torch

        with torch.inference_mode():
            scores = self.model.scores(self.logits(inputs))
        return {name: value.float().cpu().numpy() for name, value in scores.items()}


class OnnxNetwork:
    """The network of a bundle, by ONNX Runtime on the CPU."""

    def __init__(self, model: bytes, bundle: Bundle) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # a prediction tells nobody
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = {column.feature: column.onnx for column in bundle.inputs}
        self.outputs = {output.feature: output.onnx for output in bundle.outputs}

    def scores(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """[N] or [N, T] by input -> scores by output."""
        known = {argument.name for argument in self.session.get_inputs()}
        # The exporter leaves out an input that the network does not use.
        feed = {self.inputs[name]: column for name, column in inputs.items() if self.inputs[name] in known}
        values = self.session.run(list(self.outputs.values()), feed)
        return dict(zip(self.outputs, values, strict=True))


def _read(folder: str, name: str) -> bytes:
    try:
        return storage.read_bytes(f"{folder}/{name}")
    except DataError as error:
        raise DataError(Problem(folder, f"is no whole model folder: {name} is missing or can't be read")) from error
