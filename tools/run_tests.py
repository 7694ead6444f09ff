"""Runs the registered tests of a build directory and counts them.

    run_tests.py BUILD [--slow | --suite=NAME] [--room=ROOM] [PATTERN]
    run_tests.py BUILD [--suite=NAME] [--room=ROOM] --targets   prints the ninja targets that its Catch2 tests need
    run_tests.py BUILD --rooms                                  prints the rooms: executables of Catch2 tests

The last line is "N passed, N failed": test cases of the Catch2 executables, which report each one
in the file that KROTON_TEST_RESULTS names (see test/main.cpp), and one for every other test. A test
that ended badly without naming a failed case (a crash at exit, a timeout) counts as one failure.
The exit status is 0 only if something ran and nothing failed.
"""
import json
import os
import re
import subprocess
import sys
from pathlib import Path


def introspect(build, what):
    """What meson knows of a build directory: its "--tests" or "--targets"."""
    return json.loads(subprocess.run(["meson", "introspect", what, str(build)], check=True,
                                     capture_output=True, text=True).stdout)


def registered(build, suites):
    """The tests of the suites, as meson describes them, by name."""
    return {test["name"]: test for test in introspect(build, "--tests")
            if any(suite.split(":")[-1] in suites for suite in test["suite"])}


def results_of(test):
    """The results file of a Catch2 test, None for any other test."""
    return test["env"].get("KROTON_TEST_RESULTS")


def of_room(tests, room):
    """The tests of a room's executable: fast ones, and those of `room`-slow."""
    return {name: test for name, test in tests.items() if name in (room, room + "-slow")}


def rooms(build):
    """The names of the executables of Catch2 tests, each with a folder of test/ to itself."""
    tests = registered(build, ["fast", "slow"])
    return sorted(name.removesuffix("-slow") for name, test in tests.items()
                  if results_of(test) and name.endswith("-slow"))


def run_meson(build, suites, names, pattern):
    """Runs the named tests, passing on the line that meson prints as each one ends."""
    env = dict(os.environ, KROTON_TEST_PATTERN=pattern)
    command = ["meson", "test", "-C", str(build), "--no-rebuild"]
    for suite in suites:
        command += ["--suite", suite]
    process = subprocess.Popen(command + names, env=env, stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    other = []
    for line in process.stdout:
        ended = re.match(r"\s*(\d+/\d+) \S+ / (.*?)\s+([A-Z]+)\s+(\S+)", line)
        if ended:
            print("{:>6}  {:<20} {:<8} {:>8}".format(*ended.groups()), flush=True)
        else:
            other.append(line)
    process.wait()
    return process.returncode, "".join(other)


def outcomes(build):
    """What meson saw: a record of name, result, stdout and stderr for each test."""
    path = build / "meson-logs" / "testlog.json"
    if not path.exists():
        return []
    records = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    for record in records:
        record["name"] = record["name"].split(" / ")[-1]
    return records


def count_cases(path):
    """(passed, failed) of one results file; a case that started and never ended has failed."""
    words = [line.split(" ", 1)[0] for line in Path(path).read_text(errors="replace").splitlines()]
    passed, started = words.count("passed"), words.count("start")
    return passed, max(words.count("failed"), started - passed)


def main(arguments):
    build = Path(arguments[0])
    suites = [a.removeprefix("--suite=") for a in arguments if a.startswith("--suite=")] or ["fast"]
    if "--slow" in arguments:
        suites.append("slow")
    pattern = next((a for a in arguments[1:] if not a.startswith("--")), "")
    room = next((a.removeprefix("--room=") for a in arguments if a.startswith("--room=")), "")
    if "--rooms" in arguments:
        print(*rooms(build), sep="\n")
        return 0

    tests = registered(build, suites)
    if room:
        tests = of_room(tests, room)
    if "--targets" in arguments:
        needed = {target for test in tests.values() if results_of(test) for target in test["depends"]}
        for target in introspect(build, "--targets"):
            if target["id"] in needed:
                print(Path(target["filename"][0]).relative_to(build.resolve()))
        return 0
    chosen = {name: results_of(test) for name, test in tests.items() if results_of(test) or pattern in name}
    for results in filter(None, chosen.values()):
        Path(results).unlink(missing_ok=True)
    log = build / "meson-logs" / "testlog.json"
    log.unlink(missing_ok=True)

    status, text = run_meson(build, suites, list(chosen), pattern)
    records = outcomes(build)
    passed = failed = skipped = 0
    for record in records:
        ok = record["result"] in ("OK", "EXPECTEDFAIL")
        results = chosen.get(record["name"])
        case_passed = case_failed = 0
        if record["result"] == "SKIP":
            skipped += 1
        elif results is None:
            case_passed, case_failed = (1, 0) if ok else (0, 1)
        else:
            if Path(results).exists():
                case_passed, case_failed = count_cases(results)
            if not ok and case_failed == 0:
                case_failed = 1
        if not ok and record["result"] != "SKIP":
            print(f"\n---- {record['name']}: {record['result']}")
            print((record.get("stdout") or "") + (record.get("stderr") or ""), end="")
        passed += case_passed
        failed += case_failed

    # Meson itself failing (a broken build directory) must not look like success.
    if len(records) < len(chosen):
        print(text, end="")
        failed += len(chosen) - len(records)
    elif status != 0 and failed == 0:
        print(text, end="")
        failed += 1
    print()
    if skipped:
        print(f"{skipped} skipped")
    if passed + failed == 0:
        print(f"no test matches '{pattern}'" if pattern else "no tests are registered")
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
