"""Times training beside PyTorch; see run.sh, which makes the environment.

Both sides open the same weights in the layout of transformers and take the same batches in the same order: AdamW
without decay of biases and normalisations, clipping at a norm of 1, on all cores. First without dropout, where their
losses must agree after every update; then with a rate of 0.1, in turn, some steps each, of which the median counts.
Peak memory is that of each whole process, its interpreter included.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaForSequenceClassification

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SEED = 7

XLMR = {"vocab_size": 250002, "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 1536}

# Rows and tokens of a batch, the shape of the model, steps that are timed at once.
JOBS = {
    "mlm-small": {
        "ours": "mlm",
        "batch": (16, 128),
        "steps": 5,
        "config": {"vocab_size": 8192, "hidden_size": 256, "num_hidden_layers": 4,
                   "num_attention_heads": 4, "intermediate_size": 1024},
    },
    "mlm-xlmr": {
        "ours": "mlm",
        "batch": (8, 128),
        "steps": 1,
        "config": XLMR,
    },
    "classify-xlmr": {"ours": "classify", "batch": (8, 128), "steps": 2, "config": XLMR},
}
# The same with few parameters and a head that trains, as a configuration of PEFT or of adapters says.
QUERY_AND_VALUE = {"target_modules": ["query", "value"]}
ADAPTERS = {
    "lora-xlmr": {"peft_type": "LORA", "r": 8, "lora_alpha": 16, **QUERY_AND_VALUE},
    "dora-xlmr": {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "use_dora": True, **QUERY_AND_VALUE},
    "ia3-xlmr": {"peft_type": "IA3", "target_modules": ["key", "value", "output.dense"],
                 "feedforward_modules": ["output.dense"]},
    "loha-xlmr": {"peft_type": "LOHA", "r": 8, **QUERY_AND_VALUE},
    "lokr-xlmr": {"peft_type": "LOKR", "r": 8, **QUERY_AND_VALUE},
    "vera-xlmr": {"peft_type": "VERA", "r": 256, **QUERY_AND_VALUE},
    "pfeiffer-xlmr": {"mh_adapter": False, "output_adapter": True, "original_ln_before": True},
    "houlsby-xlmr": {"mh_adapter": True, "output_adapter": True, "non_linearity": "swish"},
    "compacter-xlmr": {"mh_adapter": True, "output_adapter": True, "non_linearity": "gelu",
                       "reduction_factor": 32, "phm_layer": True, "shared_phm_rule": False},
    # Without its penalty, which would be in the peer's losses and not in ours.
    "adalora-xlmr": {"peft_type": "ADALORA", "init_r": 12, "target_r": 8, "lora_alpha": 8, "total_step": 1000,
                     "orth_reg_weight": 0.0, **QUERY_AND_VALUE},
    # Of `adapters`: PEFT's does not run under a classifier of XLM-R.
    "prefix-xlmr": {"architecture": "prefix_tuning", "flat": True, "prefix_length": 20},
    "prompt-xlmr": {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 20, "task_type": "SEQ_CLS"},
    "mam-xlmr": {"architecture": "union", "configs": [
        {"architecture": "prefix_tuning", "prefix_length": 30, "bottleneck_size": 200},
        {"mh_adapter": False, "output_adapter": True, "is_parallel": True, "scaling": 4.0, "reduction_factor": 2,
         "original_ln_before": False},
    ]},
}
JOBS |= {
    name: {"ours": "adapter", "batch": (8, 128), "steps": 2, "config": XLMR, "adapter": adapter}
    for name, adapter in ADAPTERS.items()
}
# On a base of fewer bits, beside the peer with one of 32: it has no means for 8 and 4 on a CPU.
JOBS |= {f"lora-{bits}-xlmr": JOBS["lora-xlmr"] | {"ours": bits} for bits in ("bf16", "int8", "nf4")}
CLASSES = 3


def write_model(job, directory, rate):
    """A fresh model in the shape of XLM-R."""
    torch.manual_seed(SEED)
    config = XLMRobertaConfig(
        **job["config"], max_position_embeddings=514, type_vocab_size=1, pad_token_id=1, bos_token_id=0,
        eos_token_id=2, layer_norm_eps=1e-5, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate,
    )
    config.num_labels = CLASSES
    model = XLMRobertaForMaskedLM if job["ours"] == "mlm" else XLMRobertaForSequenceClassification
    model(config).save_pretrained(directory)


def write_batches(job, file, count=4):
    """Made-up ids, of which about 15 in 100 are hidden, or with classes."""
    random = torch.Generator().manual_seed(SEED)
    vocab, (rows, tokens) = job["config"]["vocab_size"], job["batch"]
    shape = (count, rows, tokens)
    labels = torch.randint(10, vocab, shape, generator=random)
    if job["ours"] != "mlm":
        labels[..., 0], labels[..., -1] = 0, 2
        classes = torch.randint(0, CLASSES, shape[:2], generator=random)
        return save_file({"input_ids": labels, "labels": classes}, file)
    chosen = torch.rand(shape, generator=random) < 0.15
    chosen[..., 0] = chosen[..., -1] = False
    ids = labels.masked_fill(chosen, vocab - 1)
    ids[..., 0], ids[..., -1] = 0, 2
    save_file({"input_ids": ids, "labels": labels.masked_fill(~chosen, -100)}, file)


class Side:
    """A process that takes steps."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def steps(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args} gave up with {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def build():
    command = ["cargo", "bench", "--bench", "vs_pytorch", "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    built = [json.loads(line) for line in lines.splitlines()]
    return next(it["executable"] for it in built if it.get("target", {}).get("name") == "vs_pytorch")


def sides(name, job, ours, model, batches):
    return {
        "ours": Side([ours, job["ours"], str(model), str(batches)]),
        "peer": Side([sys.executable, str(HERE / "peer.py"), name, str(model), str(batches)]),
    }


def measure(name, job, ours, rounds, directory):
    batches = directory / "batches.safetensors"
    write_batches(job, batches)
    for kind, rate in (("plain", 0.0), ("dropout", 0.1)):
        write_model(job, directory / kind, rate)
        if "adapter" in job:
            begin = directory / kind / "begin.json"
            begin.write_text(json.dumps(job["adapter"]))
            subprocess.run([ours, "begin", directory / kind, begin], check=True)
    both = sides(name, job, ours, directory / "plain", batches)
    losses = {side: both[side].steps(4)["losses"] for side in both}
    for side in both.values():
        side.close()
    difference = max(abs(a - b) for a, b in zip(losses["ours"], losses["peer"]))
    if difference > 1e-3 and job["ours"] not in ("bf16", "int8", "nf4"):
        sys.exit(f"{name}: other losses: {losses}")
    both = sides(name, job, ours, directory / "dropout", batches)
    rows, tokens = job["batch"]
    rates, peaks = {side: [] for side in both}, {}
    for side in both:
        both[side].steps(2)
    for _ in range(rounds):
        for side in both:
            told = both[side].steps(job["steps"])
            rates[side].append(job["steps"] * rows * tokens / told["seconds"])
            peaks[side] = told["peak_mib"]
    for side in both.values():
        side.close()
    ours, peer = (statistics.median(rates[side]) for side in ("ours", "peer"))
    return {
        "job": name, "ours": round(ours, 1), "peer": round(peer, 1), "unit": "tokens/s",
        "ratio": round(ours / peer, 3), "ours_peak_mib": round(peaks["ours"]),
        "peer_peak_mib": round(peaks["peer"]), "loss_difference": difference,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path, help="where to write the figures")
    few = [name for name in JOBS if "adapter" in JOBS[name]]
    usual = [name for name in JOBS if name == "lora-xlmr" or name not in few]
    parser.add_argument("--jobs", default=",".join(usual),
                        help="which of " + ", ".join(JOBS) + "; adapters is all that train few parameters")
    parser.add_argument("--rounds", type=int, default=7, help="how often each side is timed")
    args = parser.parse_args()
    ours, measured = build(), []
    print(f"{platform.machine()}, {os.cpu_count()} threads, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")
    print(f"{'job':14} {'ours':>10} {'peer':>10} {'unit':10} {'ratio':>6} {'MiB':>7} {'MiB peer':>9}  loss apart by")
    names = args.jobs.replace("adapters", ",".join(["classify-xlmr", *few]))
    for name in names.split(","):
        with tempfile.TemporaryDirectory() as directory:
            it = measure(name, JOBS[name], ours, args.rounds, pathlib.Path(directory))
        measured.append(it)
        print(f"{name:14} {it['ours']:10.1f} {it['peer']:10.1f} {it['unit']:10} {it['ratio']:6.2f} "
              f"{it['ours_peak_mib']:7} {it['peer_peak_mib']:9}  {it['loss_difference']:.1e}", flush=True)
    if args.json:
        written = args.json.with_suffix(".part")
        written.write_text(json.dumps(measured, indent=1) + "\n")
        written.rename(args.json)
        print(f"written: {args.json}")


main()
