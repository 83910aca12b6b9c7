"""What the images promise: any user, nothing installed at run time, and no torch where none is needed."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILES = {name: ROOT / "images" / name / "Containerfile" for name in ("data", "train")}
DATA_STEPS = ("resolve", "infer_schema", "validate_data", "preprocess", "verdict", "notify")
NOT_IN_DATA = ("torch", "sklearn", "scipy", "pandas", "onnx", "onnxscript", "onnxruntime", "safetensors", "rich")


def stages(name):
    text = re.sub(r"\\\n\s*", " ", CONTAINERFILES[name].read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    starts = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    return [lines[start:end] for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project["dependencies"], project["optional-dependencies"]


@pytest.fixture(params=CONTAINERFILES)
def name(request):
    return request.param


def test_the_image_runs_as_a_number_that_is_not_root_in_group_0(name):
    users = [line.split()[1] for line in stages(name)[-1] if line.startswith("USER ")]
    assert users
    assert re.fullmatch(r"[1-9]\d*:0", users[-1])


def test_any_user_of_group_0_can_write_to_home(name):
    text = " ".join(stages(name)[-1])
    assert "chgrp -R 0 /home/ostinato && chmod -R g=u /home/ostinato" in text
    assert "HOME=/home/ostinato" in text


def test_nothing_is_installed_at_run_time(name):
    packages, code, final = stages(name)
    assert "--without-pip" in " ".join(packages)
    assert not [line for line in final if re.search(r"\bpip\b|apt-get", line)]
    copied = [line for line in final if line.startswith("COPY ")]
    assert all(re.match(r"COPY --from=(packages|code) ", line) for line in copied)
    assert not [line for line in packages if re.match(r"COPY (shared|components|pipelines|pyproject)", line)]
    assert [line for line in code if line.startswith("COPY shared")]


def test_kfp_comes_without_its_dependencies(name):
    installs = [line for line in stages(name)[0] if "kfp==" in line]
    assert len(installs) == 1
    assert "--no-deps" in installs[0]


def locked(name):
    """Distribution -> version, as the image holds them."""
    lines = (ROOT / "images" / name / "constraints.txt").read_text().splitlines()
    pairs = [line.partition("==") for line in lines]
    assert all(version for _, _, version in pairs)
    return {canonicalize_name(name): Version(version) for name, _, version in pairs}


@pytest.mark.parametrize(
    ("name", "extra"), [("data", ("data", "trainer")), ("train", ("data", "train", "mlflow", "model-registry"))]
)
def test_the_image_holds_what_the_extras_of_its_steps_ask_for(name, extra):
    """`make constraints` locks them anew."""
    found, (base, optional) = locked(name), extras()
    wanted = [Requirement(text) for text in [*base, *(text for one in extra for text in optional[one])]]
    for requirement in wanted:
        if requirement.name in ("ostinato", "torch"):
            continue
        assert canonicalize_name(requirement.name) in found, requirement
        assert requirement.specifier.contains(found[canonicalize_name(requirement.name)]), requirement
    assert any("-r constraints.txt" in line for line in stages(name)[0])


def test_the_data_image_holds_no_torch():
    assert not set(locked("data")) & {canonicalize_name(each) for each in NOT_IN_DATA}


def test_the_train_image_leaves_it_to_torch_which_gpus_it_is_for():
    assert not [each for each in locked("train") if each.startswith(("nvidia", "cuda", "triton", "torch"))]


def test_the_bill_of_materials_lists_what_is_installed():
    command = [sys.executable, str(ROOT / "images/sbom.py"), "ostinato-data", "1"]
    bill = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    components = {each["name"].lower(): each for each in bill["components"]}
    assert components["pyyaml"]["version"] == version("pyyaml")
    assert components["pyyaml"]["purl"] == f"pkg:pypi/pyyaml@{version('pyyaml')}"
    assert components["pyyaml"]["licenses"]


def test_the_image_says_what_it_is(name):
    labels = " ".join(line for line in stages(name)[-1] if line.startswith("LABEL "))
    for label in ("title", "description", "version", "revision", "licenses"):
        assert f"org.opencontainers.image.{label}=" in labels


def test_the_base_image_is_an_argument(name):
    text = CONTAINERFILES[name].read_text()
    assert re.search(r"^ARG PYTHON_IMAGE=\S+slim$", text, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${PYTHON_IMAGE}", "packages", "${PYTHON_IMAGE}"]


def test_the_data_extra_has_no_torch_and_the_train_extra_builds_on_it():
    _, optional = extras()
    names = {re.match(r"[\w-]+", requirement).group() for requirement in optional["data"]}
    assert not names & {"torch", "scikit-learn", *NOT_IN_DATA}
    assert "ostinato[data]" in optional["train"]


def test_the_steps_of_the_data_image_run_without_torch(tmp_path):
    """The real steps on real data, in a process where the packages of the train image can't be imported."""
    program = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {(*NOT_IN_DATA, "kfp")!r}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from pathlib import Path
from ostinato.load import from_json
from ostinato.contract.data import describe
from ostinato.contract.file import read_statistics, to_yaml
from ostinato_components import infer_schema, preprocess, resolve, validate_data
data = {str(ROOT / "examples/penguins/penguins.csv")!r}
config = Path({str(ROOT / "examples/penguins/config.yaml")!r}).read_text()
resolved = resolve.run(config, "{{}}", data)
infer_schema.run(data, resolved.data_config, "schema.json", "statistics.json", "profile.html")
Path("contract.yaml").write_text(to_yaml(describe(read_statistics("statistics.json"))))
outputs = {{"report_path": "report.html", "findings_path": "findings.json", "proposal_path": "proposal.yaml"}}
assert validate_data.run("statistics.json", '{{"path": "contract.yaml"}}', "", **outputs) is None
manifest = preprocess.run(data, from_json(resolved.data_config), "data")
assert manifest.rows("training") > 200
ours = ("ostinato", "ostinato_components")
found = {{name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}}
print("\\n".join(sorted(found - set(sys.stdlib_module_names) - set(ours))))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "pyarrow" in loaded
    assert not loaded & set(NOT_IN_DATA)
    assert {"schema.json", "statistics.json", "profile.html", "data"} <= {path.name for path in tmp_path.iterdir()}


def test_the_step_that_starts_nodes_needs_no_torch():
    """It runs in the image `data`, with the SDK of the extra `trainer`."""
    program = f"""
import sys
for name in {NOT_IN_DATA!r}:
    sys.modules[name] = None
import ostinato_components.train_nodes.cluster, ostinato_components.train_nodes.step
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def imported_by_the_data_steps():
    """Third-party modules named in any file of ours that the steps of the data image can reach without torch."""
    program = f"""
import sys, importlib
for step in {DATA_STEPS!r}:
    importlib.import_module("ostinato_components." + step)
import ostinato.config, ostinato.load, ostinato.batches, ostinato.dataset
from ostinato.features.spec import INPUTS, OUTPUTS
from ostinato.registry import implementation
for registry in (INPUTS, OUTPUTS):
    for specs in registry.specs.values():
        for spec in specs.values():
            implementation(spec, "data")
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] in ("ostinato", "ostinato_components") and getattr(module, "__file__", None):
        print(module.__file__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set()
    for file in done.stdout.split("\n")[:-1]:
        for node in ast.walk(ast.parse(Path(file).read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.partition(".")[0])
    return modules - set(sys.stdlib_module_names) - {"ostinato", "ostinato_components", "ostinato_pipelines"}


def test_the_data_extra_suffices_for_its_steps():
    base, optional = extras()
    allowed = {re.match(r"[\w-]+", requirement).group().lower() for requirement in [*base, *optional["data"]]}
    # These come with the others: pydantic_core and annotated_types with pydantic, markupsafe with jinja2, …
    allowed |= {"pydantic-core", "annotated-types", "markupsafe", "botocore", "typing-extensions"}
    # Data frames of the user; whoever has one has the package.
    brought_along = {"pandas", "polars"}
    distributions = packages_distributions()
    needed = {
        module: {name.lower().replace("_", "-") for name in distributions.get(module, [module])}
        for module in imported_by_the_data_steps() - brought_along
    }
    missing = {module for module, names in needed.items() if not names & allowed}
    assert not missing
