"""The Python API: the steps of the DAG, in this process.

from ostinato import Model

model = Model("config.yaml")
results = model.train("data.csv")
predictions, _ = model.predict("new.csv")
model.save("my_model")
model = Model.load("my_model")
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union

import pyarrow as pa

from ostinato import __version__
from ostinato.artifacts import HYPERPARAMETERS, METADATA, TRAINING_STATISTICS
from ostinato.errors import ConfigError, DataError, Problem, shown
from ostinato.load import LoadedConfig, load_config, render
from ostinato_pipelines.prediction_files import saved, write_predictions
from ostinato_pipelines.results import (
    EvaluationResults,
    ExperimentResults,
    PredictionResults,
    PreprocessedData,
    ReturnType,
    TrainingResults,
    TrainingStats,
    as_returned,
    make_run_directory,
    write_json,
)

if TYPE_CHECKING:
    import pandas as pd

    from ostinato.batches import Source
    from ostinato.predictor import Predictor

Dataset = Union[
    str, "os.PathLike[str]", pa.Table, "pd.DataFrame", Mapping[str, Sequence[Any]], Sequence[Mapping[str, Any]]
]
EvaluationSplit = Literal["training", "validation", "test", "full"]
ConfigSource = Union[str, "os.PathLike[str]", Mapping[str, Any]]


class Model:
    """A model by its config: train it, evaluate it, predict with it, save and load it.

    Args:
        config: a file, or the config as a dict.
        logging_level: of the logger `ostinato`.

    Raises:
        ConfigError: the config is wrong; says everything that is.
    """

    def __init__(self, config: ConfigSource, *, logging_level: int = logging.WARNING) -> None:
        self._loaded: LoadedConfig = load_config(config)
        self._predictor: Predictor | None = None
        self._model_folder: str | None = None
        self._kept: tempfile.TemporaryDirectory[str] | None = None
        logging.getLogger("ostinato").setLevel(logging_level)

    @property
    def config(self) -> dict[str, Any]:
        """The config with every default filled in."""
        return render(self._loaded.config)

    def preprocess(
        self,
        dataset: Dataset | None = None,
        *,
        training_set: Dataset | None = None,
        validation_set: Dataset | None = None,
        test_set: Dataset | None = None,
        data_format: str = "auto",
        output_directory: str = "results/preprocessed",
        random_seed: int = 42,
    ) -> PreprocessedData:
        """Encodes the data into Parquet shards below `output_directory`.

        Raises:
            DataError: the data can't be read or don't fit the config.
        """
        from ostinato_components import preprocess

        manifest = preprocess.run(
            dataset,
            self._loaded.config,
            output_directory,
            seed=random_seed,
            training_set=training_set,
            validation_set=validation_set,
            test_set=test_set,
            data_format=data_format,
            storage=self._loaded.config.backend.storage or "",
        )
        metadata = json.loads((Path(output_directory) / METADATA).read_text(encoding="utf-8"))
        return PreprocessedData(output_directory, manifest, metadata)

    def train(
        self,
        dataset: Dataset | None = None,
        *,
        training_set: Dataset | None = None,
        validation_set: Dataset | None = None,
        test_set: Dataset | None = None,
        data_format: str = "auto",
        experiment_name: str = "api_experiment",
        model_name: str = "run",
        output_directory: str = "results",
        random_seed: int = 42,
        resume: bool = False,
        skip_save_training_description: bool = False,
        skip_save_training_statistics: bool = False,
        skip_save_model: bool = False,
        skip_save_progress: bool = False,
        skip_save_log: bool = False,
        skip_save_processed_input: bool = True,
    ) -> TrainingResults:
        """Preprocesses, trains and keeps the best model by the validation metric.

        Writes `<output_directory>/<experiment_name>_<model_name>/`, with a counter where that exists. While training,
        checkpoints lie in `<output_directory>/.checkpoints`, or in `backend.storage`; with `resume` it goes on from
        one of the same config, data and seed, if there is one.

        Raises:
            DataError: the data can't be read or don't fit the config.
            Interrupted: stopped from outside; the best model so far and a checkpoint were kept.
        """
        from ostinato.predictor import Predictor
        from ostinato_components import train

        run_directory = make_run_directory(output_directory, experiment_name, model_name)
        with self._data_folder(run_directory, keep=not skip_save_processed_input) as data_folder:
            data = self.preprocess(
                dataset,
                training_set=training_set,
                validation_set=validation_set,
                test_set=test_set,
                data_format=data_format,
                output_directory=data_folder,
                random_seed=random_seed,
            )
            if not skip_save_training_description:
                description = self._description(training_set if dataset is None else dataset, data_format, random_seed)
                write_json(run_directory / "description.json", description)
            model_folder = self._new_model_folder(run_directory, keep=not skip_save_model)
            result = train.run(
                data_folder,
                self._loaded.config,
                model_folder,
                seed=random_seed,
                checkpoints=train.checkpoint_folder(self._loaded.config, f"{output_directory}/.checkpoints"),
                resume=resume,
                skip_save_progress=skip_save_progress,
                skip_save_log=skip_save_log,
            )
            statistics = TrainingStats.read(Path(model_folder) / TRAINING_STATISTICS)
            if not skip_save_training_statistics:
                shutil.copyfile(Path(model_folder) / TRAINING_STATISTICS, run_directory / TRAINING_STATISTICS)
            self._predictor = Predictor.load(model_folder)
            self._model_folder = model_folder
        if skip_save_processed_input:
            data = PreprocessedData("", data.manifest, data.training_set_metadata)
        return TrainingResults(statistics, data, str(run_directory), (*data.manifest.warnings, *result.warnings))

    def experiment(
        self,
        dataset: Dataset | None = None,
        *,
        training_set: Dataset | None = None,
        validation_set: Dataset | None = None,
        test_set: Dataset | None = None,
        data_format: str = "auto",
        experiment_name: str = "experiment",
        model_name: str = "run",
        output_directory: str = "results",
        random_seed: int = 42,
        eval_split: Literal["training", "validation", "test"] = "test",
        skip_save_unprocessed_output: bool = False,
        skip_save_predictions: bool = False,
        skip_save_eval_stats: bool = False,
        **training: bool,
    ) -> ExperimentResults:
        """`train`, then `evaluate` on one split, with a report; `training`: more arguments of `train`."""
        from ostinato_components import evaluate

        keep_data = not training.pop("skip_save_processed_input", True)
        results = self.train(
            dataset,
            training_set=training_set,
            validation_set=validation_set,
            test_set=test_set,
            data_format=data_format,
            experiment_name=experiment_name,
            model_name=model_name,
            output_directory=output_directory,
            random_seed=random_seed,
            skip_save_processed_input=False,
            **training,
        )
        run_directory = Path(results.output_directory)
        folder = results.preprocessed_data.folder
        with tempfile.TemporaryDirectory() as scratch:
            evaluation = evaluate.run(
                self._trained_folder(),
                folder,
                split=eval_split,
                report_path=str(run_directory / "report.html"),
                metrics_path=str(Path(scratch) / "metrics.json"),
                predictions_path=None,
            )
        if not skip_save_eval_stats:
            write_json(run_directory / "test_statistics.json", evaluation.statistics)
        if not skip_save_predictions:
            write_predictions(evaluation.predictions, run_directory, unprocessed=not skip_save_unprocessed_output)
        data = results.preprocessed_data
        if not keep_data:
            shutil.rmtree(folder)
            data = PreprocessedData("", data.manifest, data.training_set_metadata)
        return ExperimentResults(
            evaluation.statistics, results.train_stats, data, results.output_directory, results.warnings
        )

    def predict(
        self,
        dataset: Dataset,
        *,
        data_format: str = "auto",
        batch_size: int | None = None,
        skip_save_unprocessed_output: bool = True,
        skip_save_predictions: bool = True,
        output_directory: str = "results",
        return_type: ReturnType = "pandas",
    ) -> PredictionResults:
        """Predictions for raw rows; the columns to predict need not be there.

        At most `batch_size` rows go through the network at once; None leaves it to the network.

        Raises:
            DataError: a column of an input feature is missing, or the data can't be read.
        """
        from ostinato.batches import open_source

        predictor = self._trained()
        source = open_source(dataset, data_format)
        tables = predictor.predict_stream(source, batch_size=batch_size)
        if not skip_save_predictions:
            tables = saved(tables, Path(output_directory), unprocessed=not skip_save_unprocessed_output)
        table = pa.concat_tables(tables)
        return PredictionResults(as_returned(table, return_type), output_directory, tuple(predictor.warnings(source)))

    def evaluate(
        self,
        dataset: Dataset,
        *,
        data_format: str = "auto",
        split: EvaluationSplit = "full",
        batch_size: int | None = None,
        skip_save_unprocessed_output: bool = True,
        skip_save_predictions: bool = True,
        skip_save_eval_stats: bool = True,
        collect_predictions: bool = False,
        collect_overall_stats: bool = True,
        output_directory: str = "results",
        return_type: ReturnType = "pandas",
    ) -> EvaluationResults:
        """Metrics of raw rows with targets: {feature: {metric: value}}, in the columns' own units.

        A `split` other than `full` picks the rows that training, validation or test had, so it wants the very data
        that the model was trained on.

        Raises:
            DataError: a column is missing, the data can't be read, or are others than those of training.
        """
        from ostinato.batches import open_source
        from ostinato_components import evaluate

        source = open_source(dataset, data_format)
        if split == "full":
            evaluation = evaluate.evaluate_source(self._trained(), source, batch_size=batch_size)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                self._split_again(source, scratch)
                evaluation = evaluate.run(self._trained_folder(), scratch, split=split, batch_size=batch_size)
        statistics = evaluation.statistics if collect_overall_stats else evaluation.metrics
        directory = Path(output_directory)
        if not (skip_save_predictions and skip_save_eval_stats):
            directory.mkdir(parents=True, exist_ok=True)
        if not skip_save_eval_stats:
            write_json(directory / "test_statistics.json", statistics)
        if not skip_save_predictions:
            write_predictions(evaluation.predictions, directory, unprocessed=not skip_save_unprocessed_output)
        predictions = as_returned(evaluation.predictions, return_type) if collect_predictions else None
        return EvaluationResults(statistics, predictions, output_directory, tuple(evaluation.warnings))

    def _split_again(self, source: Source, folder: str) -> None:
        """Encodes the data that the model was trained on once more: the same seed, so the same rows in each split."""
        from ostinato_components import preprocess

        predictor = self._trained()
        if predictor.manifest is None or not predictor.was_trained_on(source):
            raise DataError(
                Problem(
                    source.uri,
                    "are not the data that this model was trained on, so none of its rows trained or tested it",
                    hint="evaluate all rows: split full",
                )
            )
        preprocess.run(source, predictor.config, folder, seed=predictor.manifest.seed)

    def save(self, save_path: str | os.PathLike[str]) -> None:
        """Copies the model folder; whole or not at all.

        Raises:
            ConfigError: there is no trained model, or the folder exists and is no model.
        """
        source, target = self._trained_folder(), Path(save_path)
        if target.exists() and not (target / HYPERPARAMETERS).exists() and any(target.iterdir()):
            raise ConfigError(f"{target} exists and is no model folder; nothing was written")
        temporary = target.with_name(f".{target.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(source, temporary)
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)

    @staticmethod
    def load(model_dir: str | os.PathLike[str], *, logging_level: int = logging.WARNING) -> Model:
        """The model in a folder that training, `save` or the export step wrote.

        Raises:
            DataError: the folder holds no whole model.
        """
        from ostinato.predictor import Predictor

        predictor = Predictor.load(str(model_dir))
        model = Model(render(predictor.config), logging_level=logging_level)
        model._predictor, model._model_folder = predictor, str(model_dir)
        return model

    def _trained(self) -> Predictor:
        if self._predictor is None:
            raise ConfigError("the model is not trained: call train, or Model.load(folder)")
        return self._predictor

    def _trained_folder(self) -> str:
        self._trained()
        assert self._model_folder is not None, "a predictor comes with its folder"
        return self._model_folder

    def _new_model_folder(self, run_directory: Path, *, keep: bool) -> str:
        if keep:
            return str(run_directory / "model")
        self._kept = tempfile.TemporaryDirectory()  # lives as long as this object
        return str(Path(self._kept.name) / "model")

    def _description(self, dataset: Dataset | None, data_format: str, random_seed: int) -> dict[str, Any]:
        import torch

        return {
            "command": shown(" ".join(sys.argv)),
            "compute": {"num_nodes": 1, "num_gpus": torch.cuda.device_count(), "num_threads": torch.get_num_threads()},
            "config": self.config,
            "data_format": data_format,
            "dataset": shown(str(dataset)) if isinstance(dataset, str | os.PathLike) else "in memory",
            "generated_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "ostinato_version": __version__,
            "random_seed": random_seed,
            "torch_version": torch.__version__,
        }

    @staticmethod
    @contextlib.contextmanager
    def _data_folder(run_directory: Path, *, keep: bool) -> Iterator[str]:
        if keep:
            yield str(run_directory / "data")
            return
        with tempfile.TemporaryDirectory() as scratch:
            yield str(Path(scratch) / "data")
