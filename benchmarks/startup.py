"""How long the commands take that one waits for: --help, validate, train, predict, run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measure import HEADER, best, measure, row

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "penguins"
OSTINATO = [sys.executable, "-m", "ostinato_pipelines.cli"]


def write_iris(folder: Path) -> tuple[str, str]:
    """Iris as Ludwig's quickstart has it: five columns, the last the target."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    lines = [",".join([*names, "class"])]
    for values, target in zip(iris.data, iris.target, strict=True):
        lines.append(",".join([*map(str, values), iris.target_names[target]]))
    (folder / "iris.csv").write_text("\n".join(lines) + "\n")
    features = "\n".join(f"  - {{name: {name}, type: number}}" for name in names)
    (folder / "config.yaml").write_text(
        f"input_features:\n{features}\noutput_features:\n  - {{name: class, type: category}}\n"
    )
    return str(folder / "config.yaml"), str(folder / "iris.csv")


def rows() -> list[str]:
    """Lines of the table of results."""
    lines = []
    helped = best([*OSTINATO, "--help"])
    lines.append(row("`ostinato --help`, CPU", f"{helped.cpu_s:.2f} s", "0.15 s", helped.cpu_s <= 0.15))
    validated = best([*OSTINATO, "validate", str(EXAMPLE / "config.yaml")])
    lines.append(row("`ostinato validate`, CPU", f"{validated.cpu_s:.2f} s", "0.4 s", validated.cpu_s <= 0.4))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, data = write_iris(folder)
        flags = ["--config", config, "--dataset", data, "--output_directory", str(folder / "results")]
        trained = best([*OSTINATO, "train", *flags])
        found = f"{trained.wall_s:.1f} s, {trained.peak_mb:.0f} MB"
        lines.append(row("`train` on iris", found, "5 s, 600 MB", trained.wall_s <= 5 and trained.peak_mb <= 600))
        model = str(folder / "results" / "experiment_run" / "model")
        predicted = best([*OSTINATO, "predict", "--model_path", model, "--dataset", data, "-od", str(folder / "out")])
        found = f"{predicted.wall_s:.1f} s, {predicted.peak_mb:.0f} MB"
        lines.append(row("`predict` on iris", found, "3 s", predicted.wall_s <= 3))
        steps = 6
        process = measure([*OSTINATO, "experiment", *flags])
        dag = measure([*OSTINATO, "run", config, "--dataset", data, "-o", str(folder / "dag")])
        overhead = (dag.wall_s - process.wall_s) / steps
        found = f"{overhead:.1f} s ({dag.wall_s:.1f} s in {steps} steps, {process.wall_s:.1f} s in one process)"
        lines.append(row("overhead of a step under the local runner", found, "3 s", overhead <= 3))
    return lines


if __name__ == "__main__":
    print("\n".join([HEADER, *rows()]))
