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
for package in ostinato ostinato_components ostinato_pipelines; do
    here=$(cd "$root" && find . -path "./*/$package/*" -name "*.py" -not -path "./.venv/*" | wc -l)
    there=$(find "$work/venv" -path "*/site-packages/$package/*" -name "*.py" | wc -l)
    [ "$here" = "$there" ] || { echo "the wheel holds $there of $here files of $package"; exit 1; }
done
echo "the wheel is whole and validates a config with its base dependencies alone"
