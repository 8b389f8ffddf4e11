#!/usr/bin/env bash
# Step time and peak memory of every way to train few parameters, beside full fine-tuning and beside PEFT and
# `adapters` on PyTorch, in one run: `benches/peft/run.sh [--json FILE] [--rounds N]`. See ../vs_pytorch/run.sh.
exec "$(dirname "$0")/../vs_pytorch/run.sh" --jobs adapters "$@"
