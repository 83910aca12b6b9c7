"""Raw rows in, predictions out: the columns of training around a network, torch's or ONNX's.

N rows, T steps of a sequence, K classes. With `network="onnx"` no torch is imported.

A prediction depends on its own row only; sums of floats in another order change a score by about 1e-6 of its size
with the size of the batch. So nothing is filled from neighbouring rows (`bfill`, `ffill`): there the mean or the most
frequent value stands for a missing one. No row is ever left out: where training dropped rows with a missing input
(`drop_row`), the value counts as unknown here (the mean; the slot of unknown values).
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
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
from ostinato.missing import missing
from ostinato.sources.blocks import in_order

if TYPE_CHECKING:
    from torch import Tensor

    from ostinato.batches import Source
    from ostinato.model.ecd import ECD

NetworkKind = Literal["torch", "onnx"]
BATCH_SIZE = 1024
"""Most rows that go through the network at once on a CPU. With twice as many, activations of the default network are so
large that malloc gives their pages back to the system each time, and a pass takes 1.6 times as long."""
_BATCH_VALUES = 1 << 15
"""Most encoded values of such a batch: a value of a text becomes a vector of some hundred numbers."""
_GPU_BATCH_VALUES = 1 << 19
"""The same on a GPU, where a step must be large to be worth starting."""
_CHUNK_ROWS = 65_536
"""Rows that are encoded and predicted by one thread while others do the rows beside them."""
_THREADS = 4
"""Chunks in work at once: as many as `in_order` takes."""
_CHUNK_VALUES = 1 << 23
"""Values of a chunk's inputs and predictions; so a chunk of long texts, or of many classes, has fewer rows."""


class Network(Protocol):
    """What turns encoded inputs into scores."""

    def scores(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """[N] or [N, T] by input -> scores by output, as `OutputColumn.predictions` takes them.

        However many rows there are; from any thread.
        """

    def side_by_side(self) -> contextlib.AbstractContextManager[None]:
        """While several threads call `scores`."""


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

    def add(self, other: Report) -> None:
        """Counts the rows that come after these."""
        self.rows += other.rows
        for name, count in other.unseen.items():
            self.unseen[name] = self.unseen.get(name, 0) + count
        for name, count in other.unparsable.items():
            self.unparsable[name] = self.unparsable.get(name, 0) + count
            self.samples[name] = (*self.samples.get(name, ()), *other.samples[name])[:5]

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

    def predict(self, table: pa.Table | pa.RecordBatch, *, batch_size: int | None = None) -> pa.Table:
        """Raw rows -> columns of predictions, `<output>_predictions` and others as Ludwig names them, in order.

        Columns that are no inputs are ignored. An empty table gives an empty table with the same columns. At most
        `batch_size` rows go through the network at once; None leaves it to the network.

        Raises:
            DataError: columns of inputs are missing; names all of them.
        """
        self.check_columns(table.column_names)
        return pa.concat_tables(self._stream([table], batch_size))

    def predict_stream(self, source: Source, *, batch_size: int | None = None) -> Iterator[pa.Table]:
        """Predictions of a source, some rows at a time, in order; at least one table, which may be empty.

        Memory does not grow with the source. `batch_size` as in `predict`.

        Raises:
            DataError: columns of inputs are missing, or the data can't be read.
        """
        self.check_columns(source.column_names())
        yield from self._stream(source.batches(self.columns(), self.types()), batch_size)

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
        encoded, report = self._encode(batch)
        self.report.add(report)
        return encoded

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

    def _stream(self, batches: Iterable[pa.Table | pa.RecordBatch], batch_size: int | None) -> Iterator[pa.Table]:
        self.report = Report()
        chunks = self._chunks(batches)
        first, second = next(chunks, None), next(chunks, None)
        if first is None:
            yield self.predictions(self._no_scores())
        elif second is None:  # a request of a few rows needs no threads
            yield self._counted(self._predict(first, batch_size))
        else:
            work = functools.partial(self._predict, batch_size=batch_size)
            with self.network.side_by_side():
                for predicted in in_order(work, itertools.chain((first, second), chunks)):
                    yield self._counted(predicted)

    def _chunks(self, batches: Iterable[pa.Table | pa.RecordBatch]) -> Iterator[pa.Table | pa.RecordBatch]:
        columns = self.inputs | self.outputs
        shapes = [column.shape(self.fitted[name]) for name, column in columns.items()]
        values = sum(len(shape.classes) + (shape.length or 1) for shape in shapes)
        rows = max(1, min(_CHUNK_ROWS, _CHUNK_VALUES // values))
        for batch in batches:
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)

    def _predict(self, chunk: pa.Table | pa.RecordBatch, batch_size: int | None) -> tuple[pa.Table, Report]:
        encoded, report = self._encode(chunk)
        if batch_size is None or batch_size >= chunk.num_rows:
            scores = self.network.scores(encoded)
        else:
            scores = joined(self.network.scores(batch) for batch in batches(encoded, batch_size))
        return self.predictions(scores), report

    def _counted(self, predicted: tuple[pa.Table, Report]) -> pa.Table:
        table, report = predicted
        self.report.add(report)
        return table

    def _no_scores(self) -> dict[str, np.ndarray]:
        shapes = {name: column.shape(self.fitted[name]) for name, column in self.outputs.items()}
        return {
            name: np.zeros(0 if shape.is_one_score else (0, shape.num_scores), dtype=np.float32)
            for name, shape in shapes.items()
        }

    def _encode(self, batch: pa.Table | pa.RecordBatch) -> tuple[dict[str, np.ndarray], Report]:
        report = Report(batch.num_rows)
        encoded: dict[str, np.ndarray] = {}
        for name, column in self.inputs.items():
            parsed, unparsable = column.parse(batch.column(self.sources[name]))
            if odd := unparsable.count + unparsable.infinite:
                report.unparsable[name], report.samples[name] = odd, unparsable.samples
            encoded[name] = column.encode(parsed, self.fitted[name])
            # 0 is the slot of unknown values; a missing value lies there too, but is no news.
            if name in self._categories and (unseen := int(np.count_nonzero((encoded[name] == 0) & ~missing(parsed)))):
                report.unseen[name] = unseen
        return encoded, report


def batches(columns: Mapping[str, np.ndarray], rows: int) -> Iterator[dict[str, np.ndarray]]:
    """The columns, some rows at a time."""
    for start in range(0, len(next(iter(columns.values()))), rows):
        yield {name: column[start : start + rows] for name, column in columns.items()}


def rows_within(columns: Mapping[str, np.ndarray], values: int, most: int) -> int:
    """Rows of a batch of at most so many values and rows."""
    width = sum(column.shape[1] if column.ndim == 2 else 1 for column in columns.values())
    return max(1, min(most, values // width))


def joined(parts: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The same columns of several parts, one below the other."""
    found = list(parts)
    if len(found) == 1:
        return dict(found[0])
    return {name: np.concatenate([part[name] for part in found]) for name in found[0]}


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
        return joined(self._scores(batch) for batch in self.batches(inputs))

    def side_by_side(self) -> contextlib.AbstractContextManager[None]:
        """Fewer threads for each operation: rows beside each other share the cores better than parts of a row."""
        from ostinato.resources import usable_cores
        from ostinato.trainer.device import threads

        cores = usable_cores()
        return threads(max(1, cores // min(cores, _THREADS)))

    def batches(self, inputs: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        """The inputs in pieces that suit the device."""
        if self.device.type == "cpu":
            return batches(inputs, rows_within(inputs, _BATCH_VALUES, BATCH_SIZE))
        return batches(inputs, rows_within(inputs, _GPU_BATCH_VALUES, _CHUNK_ROWS))

    def _scores(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        import torch

        with torch.inference_mode():
            scores = self.model.scores(self.logits(batch))
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
        return joined(map(self._scores, batches(inputs, rows_within(inputs, _BATCH_VALUES, BATCH_SIZE))))

    def side_by_side(self) -> contextlib.AbstractContextManager[None]:
        """Nothing to do: a session may run in several threads."""
        return contextlib.nullcontext()

    def _scores(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        known = {argument.name for argument in self.session.get_inputs()}
        # The exporter leaves out an input that the network does not use.
        feed = {self.inputs[name]: column for name, column in batch.items() if self.inputs[name] in known}
        values = self.session.run(list(self.outputs.values()), feed)
        return dict(zip(self.outputs, values, strict=True))


def _read(folder: str, name: str) -> bytes:
    try:
        return storage.read_bytes(f"{folder}/{name}")
    except DataError as error:
        raise DataError(Problem(folder, f"is no whole model folder: {name} is missing or can't be read")) from error
