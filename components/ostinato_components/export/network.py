"""The network as ONNX: encoded columns in, scores out. N rows."""

from __future__ import annotations

import contextlib
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ostinato.trainer.interruption import Interruption

if TYPE_CHECKING:
    from ostinato.model.ecd import ECD


MAX_OPTIMIZED = 300
"""Inputs above which the exported network is not optimized."""


class NoOnnx(Exception):
    """The network can't be said in ONNX; the message says why."""


def onnx_names(names: Sequence[str], taken: Sequence[str] = ()) -> dict[str, str]:
    """A name of letters, digits and underscores for each name, all different and none of the taken ones.

    >>> onnx_names(["age", "body mass (g)"])
    {'age': 'age', 'body mass (g)': 'body_mass__g_'}
    """
    used = set(taken)
    safe: dict[str, str] = {}
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9_]", "_", name)
        stem = stem if re.match(r"[A-Za-z_]", stem) else f"_{stem}"
        choice, number = stem, 2
        while choice in used:
            choice, number = f"{stem}_{number}", number + 1
        used.add(choice)
        safe[name] = choice
    return safe


def write_onnx(
    model: ECD,
    columns: Mapping[str, np.ndarray],
    path: Path,
    inputs: Mapping[str, str],
    outputs: Sequence[str],
) -> None:
    """Writes the network and checks the file.

    Args:
        model: on the CPU.
        columns: some encoded rows; their number is not baked in.
        path: where to.
        inputs: name in ONNX by input feature.
        outputs: names in ONNX of the scores, in the order of the config.

    Raises:
        NoOnnx: a part of the network can't be exported.
        KeyboardInterrupt: stopped from outside. The exporter takes an interruption for a part that can't be exported,
            so it is told when the exporter has ended.
    """
    with Interruption() as interruption:
        try:
            _write(model, columns, path, inputs, outputs)
        finally:
            if interruption:
                raise KeyboardInterrupt


def _write(
    model: ECD,
    columns: Mapping[str, np.ndarray],
    path: Path,
    inputs: Mapping[str, str],
    outputs: Sequence[str],
) -> None:
    import onnx
    import torch

    from ostinato.model.ecd import Scores

    # A batch of one row would be taken for a constant.
    index = np.resize(np.arange(len(next(iter(columns.values())))), 4)
    example = tuple(torch.tensor(columns[name][index]) for name in inputs)
    rows = torch.export.Dim("batch")
    # The parameter of `forward` is `*columns`: one argument, a tuple.
    dynamic = (tuple({0: rows} for _ in example),)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                Scores(model, list(inputs)).eval(),
                example,
                dynamo=True,
                input_names=list(inputs.values()),
                output_names=list(outputs),
                dynamic_shapes=dynamic,
                external_data=False,
                # Removes what is superfluous; the time it takes rises with the square of the size.
                optimize=len(example) <= MAX_OPTIMIZED,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        cause = error.__cause__ or error
        raise NoOnnx(f"{type(cause).__name__}: {str(cause).strip().splitlines()[0]}") from error
    assert program is not None, "dynamo=True gives a program"
    program.save(str(path), external_data=False)
    onnx.checker.check_model(str(path), full_check=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter logs that torchvision is missing, warns of its own deprecations and tells of every rewrite."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
