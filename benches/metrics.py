"""Times BLEU, chrF++ and TER, with a paired bootstrap of 1,000 resamples, beside sacrebleu on the same files.

    pip install sacrebleu==2.6.0
    python benches/metrics.py [--segments 100000] [--metric bleu,chrf++,ter] [--rounds 1] [--hyp H --paired H2 --ref R]

References are by default the sentences of the `lingua-*-language-model` crates that the workspace has, 30
languages, from the start again where there are fewer than asked for; hypotheses are these with words left out,
doubled, moved or replaced by words of another sentence, more of them in the second system. Each contestant goes in
a process of its own, in turn, and is timed whole: from starting to having printed, files read and references taken
apart. Ours is `cargo run --release --example score`, on one thread and on two. Scores, signatures and p-values must be equal: the
script fails where they are not.
"""

import argparse
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def real_sentences():
    """The sentences of the language models that the workspace depends on, one language after the other."""
    command = ["cargo", "metadata", "--format-version", "1", "--offline"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
    packages = [p for p in metadata["packages"] if p["name"].endswith("-language-model")]
    for package in sorted(packages, key=lambda package: package["name"]):
        path = pathlib.Path(package["manifest_path"]).parent / "testdata" / "sentences.txt"
        if path.exists():
            yield from filter(None, (line.strip() for line in path.read_text(encoding="utf-8").split("\n")))


def worse(rng, line, others, most):
    words = line.split(" ")
    for _ in range(rng.randint(0, most)):
        if not words:
            break
        place, action = rng.randrange(len(words)), rng.random()
        if action < 0.3:
            del words[place]
        elif action < 0.4:
            words.insert(place, words[place])
        elif action < 0.7:
            words[place] = rng.choice(rng.choice(others).split(" "))
        else:
            run = words[place:place + rng.randint(1, 4)]
            del words[place:place + len(run)]
            at = rng.randint(0, len(words))
            words[at:at] = run
    return " ".join(words)


def write_files(folder, count):
    sentences, rng = list(real_sentences()), random.Random(1)
    references = [sentences[place % len(sentences)] for place in range(count)]
    files = {"ref": references}
    for name, most in [("hyp", 4), ("paired", 5)]:
        files[name] = [worse(rng, line, sentences, most) for line in references]
    for name, lines in files.items():
        (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    print(f"{count:,} segments, {len(sentences):,} of them different, {sum(map(len, references)):,} characters")
    return {name: folder / name for name in files}


def peer(hyp, paired, ref, metrics):
    """sacrebleu, by what its own command line calls."""
    from sacrebleu.metrics import BLEU, CHRF, TER
    from sacrebleu.significance import PairedTest

    def read(path):
        with open(path, encoding="utf-8", newline="\n") as file:
            return [line.rstrip() for line in file]

    references = [read(ref)]
    kinds = {"bleu": lambda: BLEU(references=references, force=True), "chrf": lambda: CHRF(references=references),
             "chrf++": lambda: CHRF(word_order=2, references=references), "ter": lambda: TER(references=references)}
    made = {name: kinds[name]() for name in metrics.split(",")}
    signatures, scores = PairedTest([("a", read(hyp)), ("b", read(paired))], made, None, "bs", 1000)()
    found = [{"name": name, "score": first.score, "mean": float(first.mean), "ci": float(first.ci),
              "p_value": second.p_value, "signature": str(signatures[name])}
             for name, (first, second) in scores.items() if name != "System"]
    print(json.dumps(found))


def timed(command, threads):
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads), "SACREBLEU_SEED": "12345"}
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command} failed")
    return time.perf_counter() - start, usage.ru_maxrss // 1024, json.loads(out)


def check(ours, theirs):
    for own, other in zip(ours, theirs, strict=True):
        same = own["name"] == other["name"] and own["signature"] == other["signature"]
        near = abs(own["score"] - other["score"]) < 1e-9 and abs(own["p_value"] - other["p_value"]) < 1e-12
        near = near and abs(own["mean"] - other["mean"]) < 1e-9 and abs(own["ci"] - other["ci"]) < 1e-9
        if not (same and near):
            sys.exit(f"not the same:\n{own}\n{other}")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--segments", type=int, default=100_000)
    arguments.add_argument("--metric", default="bleu,chrf++,ter")
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--hyp"), arguments.add_argument("--paired"), arguments.add_argument("--ref")
    options = arguments.parse_args()
    build = ["cargo", "build", "--release", "--example", "score", "--message-format", "json-render-diagnostics"]
    lines = subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    [binary] = {item["executable"] for item in map(json.loads, lines) if item.get("executable")}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: getattr(options, name) for name in ["hyp", "paired", "ref"]}
        if not all(files.values()):
            files = write_files(pathlib.Path(folder), options.segments)
        hyp, paired, ref = (str(files[name]) for name in ["hyp", "paired", "ref"])
        print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
        print(f"{'metric':10} {'contestant':18} {'seconds':>9} {'peak MiB':>9} {'times faster':>13}")
        for metric in options.metric.split(","):
            own = [binary, "--metric", metric, "--hyp", hyp, "--ref", ref, "--paired", paired, "--json"]
            contestants = {"sacrebleu": ([sys.executable, __file__, "peer", hyp, paired, ref, metric], 1),
                           "isogloss, 1 thread": (own, 1), "isogloss, 2 threads": (own, 2)}
            runs = {name: [] for name in contestants}
            for _ in range(options.rounds):
                for name, (command, threads) in contestants.items():
                    runs[name].append(timed(command, threads))
                    check(runs[name][-1][2], runs["sacrebleu"][0][2])
            base = statistics.median(run[0] for run in runs["sacrebleu"])
            for name, times in runs.items():
                seconds = statistics.median(run[0] for run in times)
                peak = max(run[1] for run in times)
                print(f"{metric:10} {name:18} {seconds:9.2f} {peak:9} {base / seconds:13.1f}", flush=True)


if __name__ == "__main__":
    peer(*sys.argv[2:]) if sys.argv[1:2] == ["peer"] else main()
