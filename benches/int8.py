"""What weights in 8 bits cost and save: cosine to 32 bits, retrieval, memory, speed.

    python benches/e5_small.py --packages DIR --out e5-small
    python benches/int8.py --model e5-small --source A --target B [--lines 1000] [--min-words 1] [--seed 1]

Line i of the two files says the same; pairs are drawn at random, of those in which no side stands in another
pair and none has fewer words. Each line is encoded by the example
`encode` in a process of its own, with and without `--int8`, in turn. P@1: how many lines have their
translation as their nearest neighbour. Memory is the most that the process held, opening included.
"""

import argparse
import collections
import os
import pathlib
import random
import tempfile

from encode import build, run_ours


def lines_of(path):
    return pathlib.Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--min-words", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ours", help="the built example, where cargo is not to build it")
    args = parser.parse_args()
    import numpy as np
    from safetensors.numpy import load_file

    program = args.ours or build()
    pairs = list(zip(lines_of(args.source), lines_of(args.target), strict=True))
    seen = [collections.Counter(side) for side in zip(*pairs, strict=True)]
    pairs = [
        pair for pair in pairs
        if all(count[text] == 1 for count, text in zip(seen, pair, strict=True))
        and min(len(text.split()) for text in pair) >= args.min_words
    ]
    pairs = random.Random(args.seed).sample(pairs, min(args.lines, len(pairs)))
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        files = [scratch / "source.txt", scratch / "target.txt"]
        for side, file in enumerate(files):
            file.write_text("\n".join(pair[side] for pair in pairs) + "\n", encoding="utf-8")
        kinds = {"32 bits": [], "8 bits": ["--int8"]}
        vectors, figures = {}, {kind: [] for kind in kinds}
        for _ in range(args.rounds):
            for kind, options in kinds.items():
                sides = []
                for file in files:
                    out = scratch / "vectors.safetensors"
                    figures[kind].append(run_ours(program, args.model, file, out, *options))
                    sides.append(load_file(out)["embeddings"])
                vectors[kind] = sides
        print(f"{len(pairs)} pairs, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{'':8} {'P@1 →':>6} {'P@1 ←':>6} {'lines/s':>8} {'opened s':>8} {'peak MiB':>9}")
        for kind, (a, b) in vectors.items():
            scores = a @ b.T
            truth = np.arange(len(pairs))
            forward, backward = (scores.argmax(1) == truth).mean(), (scores.argmax(0) == truth).mean()
            seconds, opened, peak = (
                sorted(figure[name] for figure in figures[kind]) for name in ["seconds", "opened", "peak_mib"]
            )
            rate = len(pairs) / seconds[len(seconds) // 2]
            print(f"{kind:8} {forward:6.3f} {backward:6.3f} {rate:8.1f} {opened[0]:8.2f} {peak[-1]:9.0f}")
        both = [np.concatenate(sides) for sides in vectors.values()]
        cosines = (both[0] * both[1]).sum(1)
        print(f"cosine of 8 bits to 32: mean {cosines.mean():.6f}, least {cosines.min():.6f}")


if __name__ == "__main__":
    main()
