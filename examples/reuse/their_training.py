"""A pipeline with Ostinato's preprocessing, by its component.yaml, and a training step of one's own.

python their_training.py DATA                        runs it here, each step in a process of its own
python their_training.py --compile pipeline.yaml     makes the package for Kubeflow
"""

import json
import sys
from pathlib import Path

from kfp import compiler, components, dsl, local

COMPONENTS = Path(__file__).resolve().parents[2] / "components"
INPUTS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
CONFIG = {
    "input_features": [{"name": name, "type": "number"} for name in INPUTS],
    "output_features": [{"name": "species", "type": "category"}],
}

# No Ostinato is needed where the pipeline is written: the image of the step has it.
preprocess = components.load_component_from_file(str(COMPONENTS / "preprocess/component.yaml"))


@dsl.component(base_image="registry.example/their-team/sklearn:1", install_kfp_package=False)
def fit(data: dsl.Input[dsl.Dataset], target: str, model: dsl.Output[dsl.Model]) -> float:
    """Fits a logistic regression on encoded rows.

    Args:
        data: Folder of Parquet shards with a manifest.
        target: Column of the classes.

    Returns:
        model: The coefficients, as safetensors.
        Output: Accuracy on the test rows.
    """
    import json
    from pathlib import Path

    import pandas as pd
    from safetensors.numpy import save_file
    from sklearn.linear_model import LogisticRegression

    def rows(split: str) -> tuple[pd.DataFrame, pd.Series]:
        shards = json.loads(Path(data.path, "manifest.json").read_text())["splits"][split]
        table = pd.concat(pd.read_parquet(Path(data.path, shard["path"])) for shard in shards)
        table = table[table[target] >= 0]  # -1: a class that no training row has
        return table.drop(columns=target), table[target]

    fitted = LogisticRegression().fit(*rows("training"))
    save_file({"coefficients": fitted.coef_, "intercepts": fitted.intercept_}, model.path)
    return float(fitted.score(*rows("test")))


@dsl.pipeline(name="their-training")
def their_training(dataset: str, config: str = json.dumps(CONFIG), target: str = "species") -> float:
    """Encodes the data and fits a logistic regression.

    Args:
        dataset: URI of the data.
        config: The features, as JSON.
        target: Feature of the classes.
    """
    # KFP's cache sees the name of the data only. The step `resolve` takes a digest of them: see their_data.py.
    encoded = preprocess(dataset=dataset, config=config).set_caching_options(False)
    return fit(data=encoded.outputs["data"], target=target).outputs["Output"]


if __name__ == "__main__":
    if sys.argv[1] == "--compile":
        compiler.Compiler().compile(their_training, sys.argv[2])
    else:
        local.init(local.SubprocessRunner(use_venv=False))
        accuracy = their_training(dataset=str(Path(sys.argv[1]).resolve())).output
        print(f"accuracy of their model on the test rows: {accuracy:.3f}")
