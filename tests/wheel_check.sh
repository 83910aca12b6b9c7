#!/usr/bin/env bash
# Builds the wheel, installs it with nothing but its base dependencies, and validates an example with it.
# usage: wheel_check.sh PYTHON
set -euo pipefail
python=$(realpath -s "$1")
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m build --wheel --outdir "$work/dist" "$root" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet "$work"/dist/*.whl
cd "$work"
"$work/venv/bin/ostinato" validate "$root/examples/penguins/config.yaml"
"$work/venv/bin/ostinato" export_schema --output_path "$work/schema.json"
for folder in shared/ostinato components/ostinato_components pipelines/ostinato_pipelines; do
    package=${folder#*/}
    # Not only Python: templates of reports too.
    here=$(cd "$root" && git ls-files "$folder" | wc -l)
    there=$(cd "$work"/venv/lib/python3*/site-packages && find "$package" -type f -not -name "*.pyc" | wc -l)
    [ "$here" = "$there" ] || { echo "the wheel holds $there of $here files of $package"; exit 1; }
done
echo "the wheel is whole and validates a config with its base dependencies alone"
