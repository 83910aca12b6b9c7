"""Training that is killed again and again ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

# Children are forked from a process that has everything imported: starting Python twenty times would take minutes.
DYING = """
import json, os, random, signal, sys
from pathlib import Path
from ostinato.errors import Interrupted
from ostinato.load import load_config
from ostinato.trainer.progress import Quiet
from ostinato_components import train
from ostinato_components.preprocess.preprocessing import run as preprocess

folder, trainer, kills = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
rng = random.Random(int(sys.argv[4]))
config = load_config({
    "input_features": [{"name": "a", "type": "number"}, {"name": "c", "type": "category"}],
    "output_features": [{"name": "y", "type": "number"}, {"name": "f", "type": "binary", "calibration": True}],
    "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": 16, "dropout": 0.2},
    "trainer": {"batch_size": 16, "learning_rate": 0.01, **trainer},
    "backend": {"trainer": {"checkpoint_interval_s": 0.001, **json.loads(sys.argv[5])}},
}).config
values = [random.Random(row).gauss(0, 1) for row in range(800)]
table = {"a": values, "c": [random.Random(row).choice("pq") for row in range(800)]}
table |= {"y": [3 * value for value in values], "f": ["yes" if value > 0 else "no" for value in values]}
data = str(folder / "data")
preprocess(table, config, data, shard_rows=64)

class Killer(Quiet):
    def __init__(self, after, number):
        self.after, self.number, self.seen = after, number, 0
    def step(self, step):
        self.seen += 1
        if self.seen == self.after:
            os.kill(os.getpid(), self.number)

def attempt(name, progress):
    child = os.fork()
    if not child:
        code = 1
        try:
            train.run(data, config, str(folder / name), progress=progress, checkpoints=str(folder / "checkpoints"),
                      resume=True)
            code = 0
        except Interrupted:
            code = 4
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

codes = [attempt("straight", Quiet())]
while len(codes) <= kills:
    number = rng.choice([signal.SIGTERM, signal.SIGKILL])
    codes.append(attempt("killed", Killer(rng.randint(1, 120), number)))
    if codes[-1] == 0:
        break
while codes[-1] != 0:
    codes.append(attempt("killed", Quiet()))
print(json.dumps(codes))
"""


def digests(folder: Path) -> dict[str, str]:
    names = ("model_weights.safetensors", "training_statistics.json", "model_hyperparameters.json")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trainer", "backend"),
    [
        ({"epochs": 60, "early_stop": -1, "refit": True}, {}),
        ({"epochs": 60, "early_stop": -1, "learning_rate_scheduler": {"decay": "cosine"}}, {"rows_in_memory": 150}),
    ],
    ids=["in memory and trained again", "streamed"],
)
def test_the_weights_are_those_of_an_undisturbed_training(tmp_path, trainer, backend):
    arguments = [str(tmp_path), json.dumps(trainer), "20", "0", json.dumps(backend)]
    done = subprocess.run([sys.executable, "-c", DYING, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1])
    assert codes[0] == codes[-1] == 0
    deaths = codes[1:-1]
    assert len(deaths) == 20
    assert set(deaths) == {4, -9}
    assert digests(tmp_path / "killed") == digests(tmp_path / "straight")
    assert not (tmp_path / "checkpoints").exists()
