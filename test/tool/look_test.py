"""What `kroton` tells of a cache of real kernels: stats, ls, show, why, inspect, doctor."""
import hashlib
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import support


def test_list(tool):
    """ls and stats agree on how much there is, and ls sorts, limits and filters."""
    entries = tool.json("cache", "ls")
    assert len(entries) == 4, entries
    assert all(re.fullmatch("[0-9a-f]{64}", e["key"]) and e["tag"] == "kernel/1" for e in entries)
    assert {e["requirements"].split()[0] for e in entries} <= {"x86-64-v2", "x86-64-v3", "x86-64-v4"}
    assert any("softmax" in e["title"] or "row" in e["title"] for e in entries), entries
    stats = tool.json("cache", "stats")
    assert stats["entries"] == {"files": 4, "nbytes": sum(e["nbytes"] for e in entries)}
    assert stats["directory"] == str(tool.cache) and stats["other_formats"]["files"] == 0
    by_size = [e["nbytes"] for e in tool.json("cache", "ls", "--sort", "size")]
    assert by_size == sorted(by_size, reverse=True)
    os.utime(tool.path(entries[2]["key"]), (4e9, 4e9))
    assert tool.json("cache", "ls", "--limit", "1")[0]["key"] == entries[2]["key"]
    assert "in the future" in tool.out("cache", "ls", "--limit", "1")
    assert tool.json("cache", "ls", "--tag", "plan/1") == []
    assert len(tool.out("cache", "ls").splitlines()) == 4
    assert len(tool.out("cache", "ls", "--tag", "kernel/1").splitlines()) == 4


def test_show(tool):
    """show tells the record's fields and the sections; an unambiguous prefix is enough."""
    key = tool.keys()[0]
    shown = tool.json("cache", "show", key[:12])
    assert shown["key"] == key and list(shown["record"]) == ["source", "target", "arguments", "compiler", "abi"]
    assert shown["record"]["source"].startswith("// ") and shown["signer"] is None
    assert {s["name"]: s["is_compressed"] for s in shown["sections"]}["source"] is True
    assert "compile_us" in shown["statistics"]
    text = tool.out("cache", "show", key)
    assert "x86-64" in text and "nobody" in text and "#define" not in text and "\x1b" not in text
    assert "#define" in tool.out("cache", "show", key, "--full")
    assert tool.json("cache", "show", tool.path(key))["key"] == key, "a path names an entry too"


def test_ambiguous_keys(tool):
    """A prefix that fits two entries, or none, or is no prefix at all, is refused with a reason."""
    key = tool.keys()[0]
    twin = key[:8] + ("0" if key[8] != "0" else "1") + key[9:]
    shutil.copy(tool.path(key), tool.path(twin))
    message = tool.error("cache", "show", key[:6], status=1)
    assert "names 2 entries" in message and key in message and twin in message
    assert "it belongs to another key" in tool.run("cache", "show", twin, status=1).stdout
    absent = "0123" if not key.startswith("0123") else "3210"
    assert f"begins with {absent}" in tool.error("inspect", absent, status=1)
    for bad in ("abc", "ABCD", "kernel", ""):
        assert "hexadecimal digits" in tool.error("cache", "show", bad, status=2)
    assert "No such file" in tool.error("cache", "show", "./nothing.kro", status=1)


def test_why(tool):
    """why finds the entry that differs least, and the line in which it does."""
    scaled = [e["key"] for e in tool.json("cache", "ls")
              if re.search("[23]\\.0f", tool.out("inspect", e["key"], "--source"))]
    assert len(scaled) == 2, scaled
    found = tool.json("cache", "why", scaled[0])
    assert found["second"] == scaled[1] and [d["field"] for d in found["differences"]] == ["source"]
    text = tool.out("cache", "why", scaled[0])
    assert text == tool.out("cache", "why", *scaled)
    changed = [line.strip()[0] for line in text.splitlines() if re.match(" +[-+] ", line)]
    assert changed.count("-") == changed.count("+") >= 1 and len(text.splitlines()) < 20, text
    assert "the keys are the same" in tool.out("cache", "why", scaled[0], scaled[0])
    for key in tool.keys():
        if key != scaled[0]:
            tool.path(key).unlink()
    assert "no other entry with the tag kernel/1" in tool.error("cache", "why", scaled[0], status=1)


def test_inspect(tool):
    """inspect has the source as compiled, assembly with names, the record and the log."""
    for key in tool.keys():
        source = tool.out("inspect", key, "--source")
        assert 'extern "C" void kernel(' in source
        assembly = tool.out("inspect", key, "--asm")
        assert re.search("^kernel:$", assembly, re.MULTILINE) and re.search(" ret$", assembly, re.MULTILINE)
        assert ".byte" not in assembly and "defined elsewhere" not in assembly and ".L0:" in assembly
        assert tool.out("inspect", key, "--log") == ""
        assert tool.out("inspect", key, "--record").startswith("kernel/1\nsource ")
        whole = tool.out("inspect", key)
        assert source in whole and assembly in whole and whole.startswith("== record\n")
        parts = tool.json("inspect", key)
        assert parts["source"] == source and parts["assembly"] == assembly and parts["key"] == key
        assert list(tool.json("inspect", key, "--asm")) == ["key", "assembly"]


def test_plans(tool):
    """A whole function's entry is listed by its kernels, and inspect shows all of their code."""
    kernels = {e["key"]: e["title"] for e in tool.json("cache", "ls")}
    plans = tool.restore_plans()
    listed = {e["key"]: e for e in tool.json("cache", "ls", "--tag", "plan/1")}
    assert set(listed) == set(plans) and len(plans) == 4, listed
    for key, entry in listed.items():
        assert entry["title"].startswith("plan: ") and len(entry["title"]) > len("plan: "), entry
        summary = tool.out("inspect", key, "--summary").splitlines()
        assert summary[0] == entry["title"]
        for line in summary[1:]:
            digest, title = line.split(" ", 1)
            assert kernels[digest].startswith(title) and title in summary[0], (line, kernels)
        assembly = tool.out("inspect", key, "--asm")
        assert assembly.count("\nkernel:\n") == len(summary) - 1, (summary, assembly.count("kernel:"))
        assert set(tool.json("inspect", key)) == {"key", "record", "summary", "source", "assembly", "log"}
    assert [d["field"] for d in tool.json("cache", "why", plans[0])["differences"]] == ["graph"]
    assert tool.json("cache", "verify")["sound"] == 8


def test_levels(tool):
    """inspect, show and why look in every directory; the first that has a key wins, and prefixes are of all of them."""
    first, second, third, fourth = tool.keys()
    shared, lost = tool.home / "shared", tool.home / "lost"
    for key in (second, third):
        target = shared / "v2" / key[:2] / f"{key}.kro"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tool.path(key), target)
    shutil.copytree(tool.cache / "v2" / first[:2], shared / "v2" / first[:2], dirs_exist_ok=True)
    env = {"KROTON_CACHE_PATH": f"{lost}:{shared}"}
    assert tool.json("cache", "show", first, env=env)["level"] == str(tool.cache)
    assert tool.json("cache", "show", second, env=env)["level"] == str(shared)
    assert str(shared / "v2" / second[:2]) in tool.out("cache", "show", second, env=env)
    assert 'void kernel(' in tool.out("inspect", second[:12], "--source", env=env)
    assert tool.json("cache", "why", second, fourth, env=env)["second"] == fourth
    assert tool.json("cache", "why", second, env=env)["second"] in (first, third, fourth)
    for key, options in ((second, []), (second, ["--dir", tool.cache])):
        given = env if options else {}
        assert f"begins with {key}" in tool.error("inspect", key, *options, status=1, env=given)
    twin = second[:8] + ("0" if second[8] != "0" else "1") + second[9:]
    tool.path(twin).parent.mkdir(exist_ok=True)
    shutil.copy(tool.path(fourth), tool.path(twin))
    message = tool.error("inspect", second[:8], status=1, env=env)
    assert "names 2 entries" in message and twin in message and second in message
    alone = {**env, "HOME": "", "KROTON_CACHE_DIR": ""}
    assert tool.json("cache", "show", second, env=alone)["level"] == str(shared), "no directory of one's own is needed"


def test_doctor(tool):
    """doctor finds the library, the compiler and the cache, and what is wrong with them."""
    report = tool.json("doctor")
    facts = {fact["what"]: fact["is"] for fact in report["facts"]}
    assert report["is_fine"] and "x86-64" in facts["target"] and "libkroton-clang.so" in facts["compiler"]
    assert facts["cache directory"].startswith(str(tool.cache)) and "4 entries" in facts["cache directory"]
    assert str(tool.cache) in tool.out("doctor")
    lost = tool.out("doctor", status=1, env={"KROTON_PLUGIN_DIR": "/nowhere"})
    assert "no compiler: libkroton-clang.so is in none of /nowhere" in lost
    tool.cache.chmod(0o777)
    refused = tool.run("doctor", "--json", status=1).stdout
    assert "chmod go-w" in refused and '"is_fine": false' in refused
    no_home = {"HOME": "", "KROTON_CACHE_DIR": ""}
    assert "none of KROTON_CACHE_DIR, XDG_CACHE_HOME and HOME is set" in tool.run("doctor", status=1, env=no_home).stdout


def test_alone(tool):
    """The command is linked with neither LLVM nor Kroton's library nor libcurl."""
    linked = subprocess.run(["ldd", tool.program], capture_output=True, text=True, check=True).stdout
    for library in ("LLVM", "clang", "libkroton", "curl"):
        assert library not in linked, linked


def test_without_the_library(tool):
    """The command alone, as in a container that only keeps a cache, does all but speak for the library."""
    lonely = tool.home / "bin" / "kroton"
    lonely.parent.mkdir()
    library = b"$ORIGIN/../../jit"  # the run path of the build tree
    program = Path(tool.program).read_bytes()
    assert library in program
    lonely.write_bytes(program.replace(library, b"/" + b"x" * (len(library) - 1)))
    lonely.chmod(0o755)
    tool.program = str(lonely)
    report = tool.json("doctor", status=1)
    facts = {fact["what"]: fact for fact in report["facts"]}
    assert facts["library"]["is"] == "not found" and "libkroton.so" in facts["library"]["problem"], facts
    assert "4 entries" in facts["cache directory"]["is"] and not report["is_fine"]
    assert not any("problem" in fact for name, fact in facts.items() if name != "library"), facts
    key = tool.keys()[0]
    assert "kernel:" in tool.out("inspect", key, "--asm") and tool.json("cache", "verify")["sound"] == 4


def test_manual(tool):
    """The manual page has every command and option that --help has, and no others."""
    page = (Path(__file__).parents[2] / "docs/kroton.1").read_text()
    commands = re.findall(r"^  ([a-z-]+) ", tool.out("cache", "--help").split("Subcommands:")[1], re.MULTILINE)
    assert len(commands) == 13, commands
    told = dict(re.findall(r"^\.It Cm (?:cache )?([a-z-]+)(.*)$", page, re.MULTILINE))
    assert set(told) == {*commands, "doctor", "inspect"}, told
    common = {"help", "json", "dir"}
    for command in told:
        words = [command] if command in ("doctor", "inspect") else ["cache", command]
        options = set(re.findall(r"^  (?:-\w,)?--([a-z-]+)", tool.out(*words, "--help"), re.MULTILINE))
        assert set(re.findall(r"Fl -([a-z-]+)", told[command])) == options - common, (command, options)
    if shutil.which("man"):
        shown = subprocess.run(["man", "--warnings", "-l", Path(__file__).parents[2] / "docs/kroton.1"],
                               capture_output=True, text=True, env={**tool.env, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
        assert "serve-check" in shown.stdout and not shown.stderr, shown.stderr


def test_colours(tool):
    """Colours appear on a terminal, unless NO_COLOR says otherwise, and nowhere else."""
    def on_terminal(**env):
        parent, child = pty.openpty()
        tool.run("cache", "ls", stdout=child, stderr=child, capture_output=False, env=env)
        os.close(child)
        text = os.read(parent, 100_000)
        os.close(parent)
        return text

    assert b"\x1b[1m" in on_terminal()
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert b"\x1b" not in on_terminal(**env)
    assert "\x1b" not in tool.out("cache", "ls")


def on_terminal(tool, *arguments, status=None):
    """What a command writes to a terminal without colours."""
    parent, child = pty.openpty()
    tool.run(*arguments, status=status, stdout=child, stderr=child, capture_output=False, env={"NO_COLOR": "1"})
    os.close(child)
    written = b""
    try:
        while more := os.read(parent, 1 << 16):
            written += more
    except OSError:  # the end, as Linux tells it of a terminal
        pass
    os.close(parent)
    return written


def test_hostile_text(tool):
    """Nothing that an entry holds is obeyed by a terminal, wherever a command shows it."""
    def integer(value, nbytes):
        return value.to_bytes(nbytes, "little")

    evil = b"\x1b[31m\x07\xc2\x9b31m\x9b31m\x7f"

    def write(text):
        """An entry with hostile text in a field, requirements, a section's name and its source; its key."""
        record = b"evil/1\nname %d\n" % len(text) + text + b"\n"
        name = b"se" + evil + b"ction"
        section = integer(len(name), 4) + integer(1, 4) + integer(3, 8) + integer(9, 8) + name + b"bad"
        source = b"// " + evil + b"\n"
        plain = b"".join(integer(n, k) for n, k in ((6, 4), (0, 4), (len(source), 8), (len(source), 8))) + b"source" + source
        body = (integer(len(record), 4) + integer(len(evil), 4) + integer(2, 4) + record + evil + section + plain
                + bytes(32 + 64))
        entry = b"KROTON\x1a\n" + integer(2, 4) + integer(20 + len(body) + 32, 8) + body
        key = hashlib.blake2b(record, digest_size=32).hexdigest()
        tool.path(key).parent.mkdir(exist_ok=True)
        tool.path(key).write_bytes(entry + hashlib.blake2b(entry, digest_size=32).digest())
        tool.path(key).chmod(0o600)
        return key

    first, second = write(evil), write(b"other" + evil)
    commands = (["cache", "ls"], ["cache", "verify"], ["cache", "why", first, second], ["cache", "why", first],
                ["cache", "show", first], ["cache", "show", "--full", first], ["inspect", first], ["cache", "stats"],
                ["cache", "sign"], ["cache", "export", tool.home / "bundle"])
    for command in commands:
        for options in ([], ["--json"]):
            shown = on_terminal(tool, *command, *options)
            assert shown, command
            assert not re.search(b"[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|(?<![\x80-\xff])[\x80-\xbf]", shown), (command, shown)


def test_proxies(tool):
    """doctor shows the proxies that libcurl would ask a store through, without their passwords."""
    def proxies(url, **env):
        facts = tool.json("doctor", status=None, env={"KROTON_CACHE_URL": url, "KROTON_CACHE_TIMEOUT_MS": "300", **env})["facts"]
        return [fact["is"] for fact in facts if fact["what"] == "cache store's proxy"]

    assert proxies("http://127.0.0.1:1/") == []
    assert proxies("http://127.0.0.1:1/", http_proxy="http://me:se/cret@127.0.0.1:2") == ["http_proxy=http://127.0.0.1:2"]
    assert proxies("https://127.0.0.1:1/", http_proxy="http://127.0.0.1:2") == []
    assert proxies("HTTPS://127.0.0.1:1/", HTTPS_PROXY="http://127.0.0.1:2", no_proxy="*") == [
        "HTTPS_PROXY=http://127.0.0.1:2, no_proxy=*"]


def test_signers(tool):
    """Who signed an entry is told by ls, show, inspect and stats, and by the name that the user knows them by."""
    first, second, third, _ = tool.keys()
    key = tool.json("cache", "keygen")["key"]
    tool.out("cache", "sign", first, second)
    assert tool.json("cache", "stats")["signers"] == [
        {"key": key, "name": "own", "files": 2, "nbytes": sum(tool.path(k).stat().st_size for k in (first, second))}]
    stats = tool.out("cache", "stats")
    assert f"own ({key})" in stats and "nobody" in stats
    lines = {line.split()[0]: line for line in tool.out("cache", "ls").splitlines()}
    assert " own " in lines[first[:12]] and " own " not in lines[third[:12]]
    assert tool.json("cache", "show", first)["signer_name"] == "own"
    assert f"own ({key})" in tool.out("cache", "show", first) and f"own ({key})" in tool.out("inspect", first)
    assert tool.json("inspect", first)["signed_by"] == f"own ({key})"
    shutil.rmtree(tool.home / ".config")
    lines = {line.split()[0]: line for line in tool.out("cache", "ls").splitlines()}
    assert key[:16] in lines[first[:12]] and f"{key}\n" in tool.out("cache", "show", first)


if __name__ == "__main__":
    sys.exit(support.main(sys.modules[__name__]))
