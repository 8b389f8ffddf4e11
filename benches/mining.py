"""Times the mining of translations beside numpy and faiss, on the same vectors.

    pip install faiss-cpu==1.15.1 numpy==2.4.6
    python benches/mining.py [--rows 100000] [--dim 384] [--rounds 1]

Sources are random unit vectors; a target is its source with noise, for four fifths of them, and a vector
of its own for the rest. All mine by the ratio margin of the four nearest in both directions and take
the best pairs first, in turn, each in a process of its own, on all cores; the table shows the median
seconds from raw vectors in memory to pairs. The exact contestants must find the same pairs: the script
fails where they do not. `ivf` are approximate, with as many lists and probes here as there; of them the
table shows how many of the planted pairs they find.
"""

import argparse
import json
import math
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
K = 4
# What `IvfConfig` has without being told, with twice the root of the targets as lists.
N_PROBES = 96


def peak_mib():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) // 1024


# ------------------------------------------------------------------ the peers, each in its own process


def numpy_neighbours(src, tgt, block=1024):
    """The nearest in both directions, from products that are computed once."""
    import numpy as np

    def best(cosines, indices):
        """The K best of each row, the best first."""
        top = np.argpartition(cosines, -K, axis=1)[:, -K:]
        values = np.take_along_axis(cosines, top, axis=1)
        order = np.argsort(-values, axis=1)
        top = np.take_along_axis(top, order, axis=1)
        return np.take_along_axis(values, order, axis=1), np.take_along_axis(indices, top, axis=1)

    n_src, n_tgt = len(src), len(tgt)
    forward = np.empty((n_src, K), np.float32), np.empty((n_src, K), np.int64)
    backward = np.full((n_tgt, K), -2, np.float32), np.zeros((n_tgt, K), np.int64)
    columns = np.arange(n_tgt)[None, :]
    for start in range(0, n_src, block):
        rows = np.arange(start, min(start + block, n_src))
        cosines = src[rows] @ tgt.T
        forward[0][rows], forward[1][rows] = best(cosines, columns.repeat(len(rows), axis=0))
        # Of this block, then of what was known and this block.
        found = best(np.ascontiguousarray(cosines.T), np.broadcast_to(rows, (n_tgt, len(rows))))
        both = [np.concatenate(pair, axis=1) for pair in zip(backward, found)]
        backward = best(*both)
    return forward, backward


def faiss_neighbours(src, tgt):
    import faiss

    found = []
    for queries, targets in [(src, tgt), (tgt, src)]:
        index = faiss.IndexFlatIP(targets.shape[1])
        index.add(targets)
        found.append(index.search(queries, K))
    return found


def faiss_ivf_neighbours(src, tgt):
    import faiss

    found = []
    for queries, targets in [(src, tgt), (tgt, src)]:
        n_lists = 2 * math.isqrt(len(targets))
        quantizer = faiss.IndexFlatIP(targets.shape[1])
        index = faiss.IndexIVFFlat(
            quantizer, targets.shape[1], n_lists, faiss.METRIC_INNER_PRODUCT
        )
        index.train(targets)
        index.add(targets)
        index.nprobe = N_PROBES
        found.append(index.search(queries, K))
    return found


def mine(neighbours, src_path, tgt_path, dim, pairs_path):
    import faiss
    import numpy as np

    src = np.fromfile(src_path, np.float32).reshape(-1, int(dim))
    tgt = np.fromfile(tgt_path, np.float32).reshape(-1, int(dim))
    start = time.perf_counter()
    faiss.normalize_L2(src)
    faiss.normalize_L2(tgt)
    (cos_xy, ind_xy), (cos_yx, ind_yx) = globals()[neighbours](src, tgt)
    mean_x, mean_y = cos_xy.mean(axis=1), cos_yx.mean(axis=1)
    score_xy = cos_xy / ((mean_x[:, None] + mean_y[ind_xy]) / 2)
    score_yx = cos_yx / ((mean_y[:, None] + mean_x[ind_yx]) / 2)
    rows_x, rows_y = np.arange(len(src)), np.arange(len(tgt))
    best_xy = ind_xy[rows_x, score_xy.argmax(axis=1)]
    best_yx = ind_yx[rows_y, score_yx.argmax(axis=1)]
    srcs, tgts = np.concatenate([rows_x, best_yx]), np.concatenate([best_xy, rows_y])
    scores = np.concatenate([score_xy.max(axis=1), score_yx.max(axis=1)])
    taken_src, taken_tgt, pairs = set(), set(), []
    for i in np.lexsort((tgts, srcs, -scores)):
        if srcs[i] not in taken_src and tgts[i] not in taken_tgt:
            taken_src.add(srcs[i])
            taken_tgt.add(tgts[i])
            pairs.append((srcs[i], tgts[i], scores[i]))
    seconds = time.perf_counter() - start
    with open(pairs_path, "w") as out:
        out.writelines(f"{src} {tgt} {score}\n" for src, tgt, score in pairs)
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}))


# --------------------------------------------------------------------------------------- the comparison


def run(*command):
    output = subprocess.check_output([str(part) for part in command], text=True)
    return json.loads(output.strip().split("\n")[-1])


def build():
    command = ["cargo", "bench", "--bench", "mining", "--no-run", "--message-format=json"]
    output = subprocess.check_output(command, cwd=ROOT, text=True, stderr=subprocess.DEVNULL)
    built = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return next(message["executable"] for message in built if message.get("executable"))


def write_vectors(scratch, rows, dim, seed):
    """Two files of vectors, and which target each source was planted beside."""
    import numpy as np

    rng = np.random.default_rng(seed)

    def unit(vectors):
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    src = unit(rng.standard_normal((rows, dim), np.float32))
    tgt = unit(rng.standard_normal((rows, dim), np.float32))
    order = rng.permutation(rows)
    planted = rows * 4 // 5
    tgt[order[:planted]] = src[:planted] + tgt[order[:planted]]
    src.tofile(scratch / "src.f32")
    tgt.tofile(scratch / "tgt.f32")
    return order[:planted]


def pairs(path):
    return {tuple(map(int, line.split()[:2])): float(line.split()[2]) for line in open(path)}


def assert_same(ours, theirs, name):
    """The same pairs, but for those whose scores another order of sums could swap."""
    odd = [pair for pair in ours.keys() ^ theirs.keys()]
    if len(odd) > 1e-4 * len(ours):
        sys.exit(f"{name}: {len(odd)} pairs of {len(ours)} are not ours")
    worst = max(abs(ours[pair] - theirs[pair]) for pair in ours.keys() & theirs.keys())
    if worst > 1e-4:
        sys.exit(f"{name}: a score differs by {worst}")
    return len(odd)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ours", help="the built benchmark, where cargo is not to build it")
    args = parser.parse_args()
    import faiss
    import numpy

    ours = args.ours or build()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        planted = write_vectors(scratch, args.rows, args.dim, args.seed)
        files = [scratch / "src.f32", scratch / "tgt.f32", args.dim]
        this = [sys.executable, __file__, "--run"]
        contestants = {
            "ours": [ours, "exact"],
            "faiss IndexFlatIP": [*this, "faiss_neighbours"],
            "numpy": [*this, "numpy_neighbours"],
            "ours ivf": [ours, "ivf"],
            "faiss IndexIVFFlat": [*this, "faiss_ivf_neighbours"],
        }
        print(
            f"{platform.machine()}, {os.cpu_count()} cores; faiss {faiss.__version__}, "
            f"numpy {numpy.__version__}; {args.rows:,} x {args.rows:,} x {args.dim}, "
            f"median of {args.rounds}"
        )
        print(f"{'':20} {'seconds':>8} {'peak MiB':>9} {'planted':>8} {'load':>6}  times ours")
        seconds = {contestant: [] for contestant in contestants}
        found = {}
        for _ in range(args.rounds):
            for contestant, command in contestants.items():
                found[contestant] = run(*command, *files, scratch / contestant)
                found[contestant]["load"] = os.getloadavg()[0]
                seconds[contestant].append(found[contestant]["seconds"])
        exact = pairs(scratch / "ours")
        for contestant, times in seconds.items():
            median = statistics.median(times)
            mined = pairs(scratch / contestant)
            share = sum((src, int(tgt)) in mined for src, tgt in enumerate(planted)) / len(planted)
            ours_first = "ours ivf" if "ivf" in contestant.lower() else "ours"
            print(
                f"{contestant:20} {median:8.2f} {found[contestant]['peak_mib']:9} {share:8.2%} "
                f"{found[contestant]['load']:6.1f}  {median / statistics.median(seconds[ours_first]):.2f}"
            )
            if ours_first == "ours":
                odd = assert_same(exact, mined, contestant)
                if odd:
                    print(f"{'':20} {odd} pairs differ, of scores that rounding may swap")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        mine(*sys.argv[2:])
    else:
        main()
