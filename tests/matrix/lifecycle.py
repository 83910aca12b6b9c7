"""The life of a tiny model: trained with a falling loss, saved, loaded, exported, predicting the same throughout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from ostinato.load import load_config
from ostinato.predictor import Predictor
from ostinato.trainer.progress import Quiet
from ostinato_components import export, preprocess, train


def live(document: dict[str, object], table: pa.Table, folder: Path, *, seed: int = 1) -> list[float]:
    """The training loss by epoch.

    Raises:
        AssertionError: the loss does not fall, or what is loaded or exported predicts something else.
    """
    config = load_config(document).config
    data, model, bundle = (str(folder / name) for name in ("data", "model", "bundle"))
    preprocess.run(table, config, data)
    result = train.run(data, config, model, seed=seed, progress=Quiet())
    losses = [loss for loss in result.history["training"]["combined"]["loss"] if loss is not None]
    assert losses[-1] < losses[0], losses
    # It compares the network in ONNX with that in torch, on rows of the data, and refuses a difference.
    export.run(model, data, bundle, require_onnx=True)
    some = table.slice(0, 40)
    ours, other = (Predictor.load(bundle, kind).predict(some) for kind in ("torch", "onnx"))
    again = Predictor.load(model, "torch").predict(some)
    for name in ours.column_names:
        found, wanted, reloaded = (each.column(name).combine_chunks() for each in (other, ours, again))
        assert reloaded.equals(wanted), name
        if pa.types.is_floating(wanted.type):
            np.testing.assert_allclose(found.to_numpy(), wanted.to_numpy(), rtol=1e-3, atol=1e-4, err_msg=name)
    return losses
