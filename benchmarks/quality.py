"""Quality of the default config on real tables, beside a linear model on the same rows.

    python -m benchmarks.quality --data FOLDER [--names adult,titanic]

FOLDER holds NAME.parquet with a column `split` (0 train, 2 test). Without it the sets that come with scikit-learn are
taken, with the same kind of split.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import row

# name: target, task, metric, goal
GOALS = {
    "adult": ("income", "binary", "roc_auc", 0.91),
    "titanic": ("Survived", "binary", "roc_auc", 0.82),
    "bank": ("y", "binary", "roc_auc", 0.89),
    "german": ("risk", "binary", "roc_auc", None),
    "breast_cancer": ("diagnosis", "binary", "accuracy", 0.97),
    "iris": ("species", "category", "accuracy", None),
    "wine": ("cultivar", "category", "accuracy", 0.97),
    "penguins": ("species", "category", "accuracy", 0.97),
    "diamonds": ("price", "number", "r2", 0.97),
    "house_prices": ("SalePrice", "number", "r2", 0.80),
    "hitters": ("Salary", "number", "r2", 0.60),
    "bikes": ("bikers", "number", "r2", 0.93),
    "diabetes": ("progression", "number", "r2", None),
    "wine_quality": ("quality", "number", "r2", None),
}


def bundled(name: str) -> pd.DataFrame:
    """A set of scikit-learn's, split as the others are."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    loaded = getattr(datasets, f"load_{name}")(as_frame=True)
    frame = loaded.frame.copy()
    stratify = None
    if name != "diabetes":
        frame["target"] = [str(loaded.target_names[code]) for code in frame["target"]]
        stratify = frame["target"]
    _, test = train_test_split(np.arange(len(frame)), test_size=0.2, random_state=0, stratify=stratify)
    frame["split"] = 0
    frame.loc[test, "split"] = 2
    return frame.rename(columns={"target": GOALS[name][0]})


def linear(frame: pd.DataFrame, target: str, task: str, metric: str) -> float:
    """Logistic regression or ridge on one-hot and scaled columns: what no default may lose to."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.metrics import accuracy_score, r2_score, roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = frame.dropna(subset=[target])
    inputs = frame.drop(columns=[target, "split"])
    numbers = [name for name in inputs if pd.api.types.is_numeric_dtype(inputs[name])]
    others = [name for name in inputs if name not in numbers]
    inputs[others] = inputs[others].astype(object).where(inputs[others].notna(), "missing").astype(str)
    transform = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), others),
    )
    train, test = frame["split"] == 0, frame["split"] == 2
    model = make_pipeline(transform, Ridge() if task == "number" else LogisticRegression(max_iter=2000))
    targets = frame[target] if task == "number" else frame[target].astype(str)
    model.fit(inputs[train], targets[train])
    if metric == "r2":
        return float(r2_score(targets[test], model.predict(inputs[test])))
    if metric == "roc_auc":
        return float(roc_auc_score(targets[test] == model.classes_[1], model.predict_proba(inputs[test])[:, 1]))
    return float(accuracy_score(targets[test], model.predict(inputs[test])))


def plain(config: dict[str, Any]) -> dict[str, Any]:
    """The same features by plain concat, the yardstick of time."""
    inputs = [
        feature | ({"encoder": {"type": "passthrough"}} if feature["type"] == "number" else {})
        for feature in config["input_features"]
    ]
    combiner = {"type": "concat", "num_fc_layers": 2, "batch_ensemble": False}
    return config | {"input_features": inputs, "combiner": combiner}


def run(frame: pd.DataFrame, config: dict[str, Any], target: str, metric: str, seed: int) -> tuple[float, float]:
    """(the metric on the test rows, seconds of the experiment)."""
    from ostinato import Model

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        results = Model(config).experiment(frame, output_directory=folder, random_seed=seed)
        return float(results.eval_stats[target][metric]), time.perf_counter() - started


def rows(data: str | None, names: str = ",".join(GOALS), seeds: int = 1) -> list[str]:
    """Lines of the table of results."""
    from ostinato.batches import open_source
    from ostinato.type_inference import suggest

    lines = []
    ratios = []
    for name in names.split(","):
        target, task, metric, goal = GOALS[name]
        path = Path(data) / f"{name}.parquet" if data else None
        if path is None and name not in {"iris", "wine", "breast_cancer", "diabetes"}:
            continue
        frame = pd.read_parquet(path) if path else bundled(name)
        config = suggest(open_source(frame.drop(columns="split")), [target]).config
        config["output_features"] = [{"name": target, "type": task}]
        scores, seconds = zip(
            *(run(frame, config, target, metric, seed) for seed in range(42, 42 + seeds)), strict=True
        )
        reference = linear(frame, target, task, metric)
        _, plain_s = run(frame, plain(config), target, metric, 42)
        ratios.append(seconds[0] / plain_s)
        bar = reference if goal is None else goal
        found = f"{scores[0]:.3f}" + (f" ({min(scores):.3f}-{max(scores):.3f})" if len(scores) > 1 else "")
        what = (
            f"{name}: {metric} (linear model {reference:.3f}; {seconds[0]:.0f} s, {seconds[0] / plain_s:.1f} x concat)"
        )
        lines.append(row(what, found, f"{bar:.3f}" + ("" if goal else " (linear)"), scores[0] >= bar))
        print(lines[-1], flush=True)
    found = f"{max(ratios):.1f} x (median {statistics.median(ratios):.1f} x)"
    lines.append(
        row("time against plain concat, each to its early stop: the slowest table", found, "3 x", max(ratios) <= 3)
    )
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder with NAME.parquet")
    parser.add_argument("--names", default=",".join(GOALS))
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    rows(options.data, options.names, options.seeds)
