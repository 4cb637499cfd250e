#!/bin/sh
# Tests the chart and the container recipe. PYTHON: a virtual environment's python, as seen from the
# repository's root; what requirements.txt names is installed into it where it is missing.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-.venv/bin/python}

if ! "$PYTHON" -c 'import helm_sdkpy, kubernetes_validate, yaml' 2>/dev/null; then
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --ignore-requires-python \
        --requirement charts/requirements.txt
fi

# Helm would otherwise keep what it learns of each pretended cluster in the home folder.
KUBECACHEDIR=$(mktemp -d)
export KUBECACHEDIR
trap 'rm -rf "$KUBECACHEDIR"' EXIT
"$PYTHON" -m unittest discover --start-directory charts --top-level-directory charts "$@"
