#!/usr/bin/env python3
"""The program examples/network in PyTorch: the same rows, weights to start from and settings.

    train_network.py [--epochs N] [--rows N] [--curve FILE] [--beside FILE]

Dropout draws other numbers, so that losses agree in what they tend to, not in their digits.
`--beside` names the curve that the program itself wrote, and prints both.
"""

import argparse
import csv
import time

import network
from libraries import *  # noqa: F403

BATCH = 32


def make_dataset(first, rows):
    """As network::make_dataset."""
    width, classes = network.WIDTHS[0], network.WIDTHS[-1]
    number = np.arange(first, first + rows, dtype=np.uint64)
    cloud = (2 * classes * network.uniform_at(number, 101)).astype(np.int64)
    at = number[:, None] * np.uint64(width) + np.arange(width, dtype=np.uint64)
    noise = sum(network.uniform_at(np.uint64(4) * at + np.uint64(k), 102) for k in range(4)) - 2
    centres = 2 * network.uniform(2 * classes * width, 100).reshape(2 * classes, width) - 1
    x = centres[cloud] + 0.7 * np.sqrt(3) * noise
    return x.astype(np.float32), cloud % classes


def train(epochs, rows, curve):
    """Writes epoch, mean loss and seconds so far; returns the losses."""
    x, y = (torch.from_numpy(a) for a in make_dataset(0, rows))
    step = network.by_torch_step(compiled=False)
    losses, start = [], time.perf_counter()
    with open(curve, "w") as file:
        file.write("epoch,loss,seconds\n")
        for epoch in range(1, epochs + 1):
            total = 0.0
            for begin in range(0, rows, BATCH):
                xs, ys = x[begin : begin + BATCH], y[begin : begin + BATCH]
                total += float(step(xs, ys)) * len(xs)
            losses.append(total / rows)
            line = f"{epoch},{losses[-1]:.6g},{time.perf_counter() - start:.3f}"
            file.write(line + "\n")
            print(f"\repoch {epoch}/{epochs}  loss {losses[-1]:.4f}", end="", flush=True)
    print()
    return losses


def print_beside(losses, curve):
    with open(curve) as file:
        ours = [float(row["loss"]) for row in csv.DictReader(file)]
    epochs = min(len(losses), len(ours))
    print(f"{'epoch':>6} {'kroton':>9} {'torch':>9}")
    for epoch in sorted({1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, epochs}):
        if epoch <= epochs:
            print(f"{epoch:>6} {ours[epoch - 1]:>9.4f} {losses[epoch - 1]:>9.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2000)
    parser.add_argument("--rows", type=int, default=network.EPOCH_ROWS)
    parser.add_argument("--curve", default="network-loss-torch.csv")
    parser.add_argument("--beside")
    arguments = parser.parse_args()
    use_threads(1)
    losses = train(arguments.epochs, arguments.rows, arguments.curve)
    if arguments.beside:
        print_beside(losses, arguments.beside)


if __name__ == "__main__":
    main()
