"""A pipeline with a data step of one's own, and Ostinato's steps by import.

python their_data.py DATA                        runs it here, each step in a process of its own
python their_data.py --compile pipeline.yaml     makes the package for Kubeflow
"""

import json
import sys
from pathlib import Path

from kfp import compiler, dsl, local

from ostinato_components.evaluate.component import evaluate
from ostinato_components.preprocess.component import preprocess
from ostinato_components.resolve.component import resolve
from ostinato_components.train.component import train

INPUTS = ["bill_length_mm", "bill_depth_mm", "bill_ratio", "flipper_length_mm"]
CONFIG = {
    "input_features": [{"name": name, "type": "number"} for name in INPUTS],
    "output_features": [{"name": "species", "type": "category"}],
    "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 16},
    "trainer": {"epochs": 20},
}


@dsl.component(base_image="registry.example/their-team/pandas:1", install_kfp_package=False)
def clean(raw: str, rows: dsl.Output[dsl.Dataset]) -> str:
    """Leaves incomplete rows out, and adds a column.

    Args:
        raw: URI of the data as they come.

    Returns:
        rows: Folder with the rows, as Parquet.
        Output: URI of the rows, for steps that read data by URI.
    """
    from pathlib import Path

    import pandas as pd

    table = pd.read_csv(raw).dropna()
    table["bill_ratio"] = table["bill_length_mm"] / table["bill_depth_mm"]
    # An artifact's own name has no ending, and data are told by the ending.
    Path(rows.path).mkdir(parents=True)
    table.to_parquet(Path(rows.path, "rows.parquet"))
    return f"{rows.uri}/rows.parquet"


@dsl.pipeline(name="their-data")
def their_data(raw: str, config: str = json.dumps(CONFIG), seed: int = 42) -> None:
    """Cleans the data, trains, evaluates.

    Args:
        raw: URI of the data as they come.
        config: The config, as JSON.
        seed: Seed of the split and of training.
    """
    # What these two read has no digest yet; what follows is cached by the digest that `resolve` takes.
    dataset = clean(raw=raw).set_caching_options(False).outputs["Output"]
    resolved = resolve(dataset=dataset, config=config, seed=seed).set_caching_options(False).outputs
    digest = resolved["digest"]
    data = preprocess(dataset=dataset, config=resolved["data_config"], seed=seed, digest=digest).outputs["data"]
    trained = train(data=data, config=resolved["config"], seed=seed, digest=digest)
    trained.set_cpu_limit("4").set_memory_limit("8Gi")
    evaluate(model=trained.outputs["model"], data=data, fingerprint=resolved["fingerprint"])


if __name__ == "__main__":
    if sys.argv[1] == "--compile":
        compiler.Compiler().compile(their_data, sys.argv[2])
    else:
        local.init(local.SubprocessRunner(use_venv=False))
        their_data(raw=str(Path(sys.argv[1]).resolve()))
