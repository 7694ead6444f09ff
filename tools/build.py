"""Runs ninja and says how far it is.

    build.py BUILD LOG [TARGET...]

On a terminal one line is written again and again; elsewhere a line comes every half minute. What ninja prints goes to LOG, and
to the terminal if it fails. How long is left is taken from how long the steps that are done took.
"""
import re
import subprocess
import sys
import time

SECONDS_BETWEEN_LINES = 30


def time_left(seconds):
    if seconds < 90:
        return f"{max(10, 10 * round(seconds / 10))} s"
    return f"{round(seconds / 60)} min"


def main(build, log, *targets):
    # Into a pipe ninja prints a line for each step.
    process = subprocess.Popen(["ninja", "-C", build, *targets], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
    begin = last = time.monotonic()
    is_terminal = sys.stdout.isatty()
    with open(log, "w", encoding="utf-8") as out:
        for line in process.stdout:
            out.write(line)
            step = re.match(r"\[(\d+)/(\d+)\]", line)
            now = time.monotonic()
            if not step or (now - last < (0.2 if is_terminal else SECONDS_BETWEEN_LINES)):
                continue
            last = now
            done, steps = int(step[1]), int(step[2])
            text = f"  {100 * done // steps} %, {done} of {steps} steps"
            if done >= 5 and done < steps:
                text += f", about {time_left((now - begin) / done * (steps - done))} left"
            print(f"\r{text}\x1b[K" if is_terminal else text, end="" if is_terminal else "\n", flush=True)
    status = process.wait()
    if is_terminal:
        print("\r\x1b[K", end="", flush=True)
    if status != 0:
        with open(log, encoding="utf-8") as text:
            sys.stderr.write(text.read())
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
