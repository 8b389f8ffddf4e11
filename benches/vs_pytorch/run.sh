#!/usr/bin/env bash
# Times training beside PyTorch: `benches/vs_pytorch/run.sh [--json FILE] [--jobs mlm-small,…] [--rounds N]`.
# Makes a Python environment of its own, unless ISOGLOSS_PYTHON names an interpreter that has the packages.
set -euo pipefail
cd "$(dirname "$0")"
PYTHON="${ISOGLOSS_PYTHON:-}"
if [ -z "$PYTHON" ]; then
    ENVIRONMENT="${ISOGLOSS_TOOLS:-$HOME/.cache/isogloss/tools}/vs_pytorch"
    PYTHON="$ENVIRONMENT/bin/python"
    if [ ! -x "$PYTHON" ]; then
        python3 -m venv "$ENVIRONMENT"
        "$PYTHON" -m pip install --quiet -r requirements.txt
    fi
fi
exec "$PYTHON" run.py "$@"
