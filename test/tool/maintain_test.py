"""How `kroton` looks after a cache directory, and how it fares where there is trouble."""
import os
import pty
import resource
import shutil
import signal
import subprocess
import sys
import time

import support


def test_verify(tool):
    """verify names damaged entries and why, removes them if told to, and changes nothing else."""
    assert tool.json("cache", "verify") == {"faults": [], "sound": 4, "damaged": 0, "unread": 0, "removed": 0}
    first, second, third, fourth = tool.keys()
    tool.flip(first, 200)
    tool.path(second).write_bytes(tool.path(second).read_bytes()[:-1])
    shutil.copy(tool.path(fourth), tool.path(third))
    faults = {f["path"].split("/")[-1][:64]: f["fault"] for f in tool.json("cache", "verify", status=1)["faults"]}
    assert faults == {first: "checksum differs", second: "length differs from what the header says",
                      third: f"it belongs to another key, {fourth}"}, faults
    assert "1 sound, 0 damaged" in tool.out("cache", "verify", fourth)
    assert "checksum differs" in tool.run("cache", "ls", status=1).stdout
    assert tool.path(first).exists()
    assert tool.json("cache", "verify", "--remove", status=1)["removed"] == 3
    assert tool.keys() == [fourth]
    assert tool.json("cache", "verify")["sound"] == 1


def test_every_changed_byte(tool):
    """A byte changed anywhere in an entry, or an entry cut anywhere, is found and harms nothing."""
    key = tool.keys()[0]
    whole = tool.path(key).read_bytes()
    for at in (*range(0, 64, 7), len(whole) // 2, len(whole) - 1):
        tool.path(key).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        assert tool.json("cache", "verify", key, status=1)["damaged"] == 1, at
        assert "kroton: " in tool.error("inspect", key, status=1)
        tool.path(key).write_bytes(whole[:at])
        assert tool.json("cache", "verify", key, status=1)["damaged"] == 1, at


def test_gc(tool):
    """gc evicts the least recently used entries down to the size it is given."""
    keys = tool.keys()
    for age, key in enumerate(keys):
        stamp = time.time() - 86400 * (age + 1)
        os.utime(tool.path(key), (stamp, stamp))
    assert tool.json("cache", "gc")["evicted"] == 0
    bound = tool.path(keys[0]).stat().st_size * 5 // 4 + 8
    result = tool.json("cache", "gc", "--max-size", bound)
    assert result["evicted"] == 3 and result["max_bytes"] == bound and tool.keys() == [keys[0]]
    assert "at most 2.0 KiB" in tool.out("cache", "gc", "--max-size", "2K")
    assert "--max-size" in tool.error("cache", "gc", "--max-size", "lots", status=2)


def test_clear(tool):
    """clear removes entries, quarantine and leftovers of every format, and not what it does not know."""
    (tool.cache / "v1/ab").mkdir(parents=True)
    (tool.cache / "v1/ab" / ("ab" * 32 + ".kro")).write_text("an older format's entry")
    (tool.cache / "quarantine").mkdir()
    (tool.cache / "quarantine/x").write_text("damaged")
    (tool.cache / "v1/ab/.tmp-host-1-2").write_text("left by a killed writer")
    (tool.cache / "v1/ab/notes").write_text("somebody's")
    stats = tool.json("cache", "stats")
    assert [stats[k]["files"] for k in ("other_formats", "quarantined", "temporaries", "unknown")] == [1] * 4
    assert tool.json("cache", "clear")["removed"] == 7
    assert tool.json("cache", "stats")["entries"]["files"] == 0
    assert (tool.cache / "v1/ab/notes").exists()


def test_clear_folders(tool):
    """Folders that were put into the quarantine go like files, and nothing that links in them lead to does."""
    outside = tool.home / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    deep = tool.cache / "quarantine" / "abcd.kro-host-1-2" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    (deep / "link").symlink_to(outside)
    (tool.cache / "quarantine" / "folder").symlink_to(outside)
    assert tool.json("cache", "clear")["removed"] == 6
    assert not list((tool.cache / "quarantine").iterdir()) and (outside / "precious").exists()


def test_gc_folders(tool):
    """gc removes folders from the quarantine when they are a week old, as it does files."""
    old = tool.cache / "quarantine" / "abcd.kro-host-1-2"
    (old / "a").mkdir(parents=True)
    os.utime(old, (time.time() - 8 * 86400,) * 2)
    tool.out("cache", "gc")
    assert not old.exists()


def test_clear_signer(tool):
    """All entries that name one signer are removed, by the signer's name or key, and no others."""
    first, second, third, fourth = tool.keys()
    key = tool.json("cache", "keygen")["key"]
    tool.out("cache", "sign", first, second)
    assert "no trusted key named nobody" in tool.error("cache", "clear", "--signer", "nobody", status=1)
    assert len(tool.keys()) == 4
    other = ("0" if key[0] != "0" else "1") + key[1:]
    assert tool.json("cache", "clear", "--signer", other)["removed"] == 0
    assert tool.json("cache", "clear", "--signer", "own")["removed"] == 2
    assert tool.keys() == [third, fourth]
    tool.out("cache", "sign", third)
    assert tool.json("cache", "clear", "--signer", key[:8])["removed"] == 1
    assert tool.keys() == [fourth]


def test_small_files(tool):
    """A limit on the length of files is an error like others, whatever is said of SIGXFSZ."""
    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    with open(tool.home / "output", "w") as output:
        result = tool.run("cache", "ls", status=3, stdout=output, stderr=subprocess.PIPE, capture_output=False,
                          preexec_fn=small_files)
    assert "cannot write the result: File too large" in result.stderr, result.stderr
    assert "File too large" in tool.error("cache", "export", tool.home / "bundle", status=3, preexec_fn=small_files)
    assert "File too large" in tool.error("cache", "keygen", status=3, preexec_fn=lambda: (
        small_files(), resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))))
    assert not [name for name in os.listdir(tool.home) if name.startswith("bundle")]


def test_nowhere(tool):
    """Without a home there is no directory to look at; one that is not there yet holds nothing."""
    none = {"HOME": "", "KROTON_CACHE_DIR": ""}
    assert "none of KROTON_CACHE_DIR, XDG_CACHE_HOME and HOME is set" in tool.run("cache", "ls", status=3, env=none).stderr
    fresh = {"KROTON_CACHE_DIR": str(tool.home / "fresh")}
    for command in (["ls"], ["stats"], ["verify"], ["gc"], ["clear"]):
        tool.out("cache", *command, env=fresh)
    assert not (tool.home / "fresh").exists(), "looking creates nothing"
    assert "No such file" in tool.error("cache", "ls", "--dir", tool.home / "fresh", status=3)
    assert len(tool.json("cache", "ls", "--dir", tool.cache, env=none)) == 4
    off = {"KROTON_CACHE": "off"}
    assert "KROTON_CACHE=off" in tool.error("cache", "ls", status=3, env=off)


def test_read_only(tool):
    """A directory that may only be read can be looked at; what would change it says why it does not."""
    key = tool.keys()[0]
    for folder in (tool.cache, tool.cache / "v2", *(tool.cache / "v2").iterdir()):
        folder.chmod(0o500)
    try:
        assert len(tool.keys()) == 4 and tool.json("cache", "verify")["sound"] == 4
        tool.out("inspect", key)
        if os.geteuid() != 0:  # permissions do not bind root
            assert "could not be removed: Permission denied" in tool.run("cache", "clear", status=3).stderr
    finally:
        for folder in (tool.cache, tool.cache / "v2", *(tool.cache / "v2").iterdir()):
            folder.chmod(0o700)


def test_odd_files(tool):
    """Links, pipes and folders under an entry's name are reported and never followed or waited for."""
    first, second, third, _ = tool.keys()
    outside = tool.home / "outside"
    shutil.move(tool.path(first), outside)
    tool.path(first).symlink_to(outside)
    tool.path(second).unlink()
    os.mkfifo(tool.path(second))
    tool.path(third).unlink()
    tool.path(third).mkdir()
    report = tool.json("cache", "verify", status=3, timeout=20)
    assert report["unread"] == 3 and report["sound"] == 1, report
    assert all("not a regular file" in fault["fault"] for fault in report["faults"]), report
    assert outside.exists()


def test_closed_pipe(tool):
    """A reader that goes away ends the command in silence, whether it heeds SIGPIPE or not."""
    for disposition in (signal.SIG_DFL, signal.SIG_IGN):
        reader, writer = os.pipe()
        os.close(reader)
        process = subprocess.Popen([tool.program, "cache", "ls"], env=tool.env, stdout=writer, stderr=subprocess.PIPE,
                                   restore_signals=False,
                                   preexec_fn=lambda: signal.signal(signal.SIGPIPE, disposition))
        os.close(writer)
        _, complaints = process.communicate(timeout=20)
        assert complaints == b"" and process.returncode in (0, -signal.SIGPIPE), (process.returncode, complaints)


def test_full_disk(tool):
    """A result that cannot be written is an error."""
    with open("/dev/full", "w") as full:
        result = tool.run("cache", "ls", status=3, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert "cannot write the result: No space left on device" in result.stderr


def test_many_entries(tool):
    """Ten thousand entries are listed and verified in little memory."""
    key = tool.keys()[0]
    for i in range(10_000):
        digest = f"{i * 0x9e3779b97f4a7c15 % 2**64:016x}" + "0" * 48
        tool.path(digest).parent.mkdir(exist_ok=True)
        os.link(tool.path(key), tool.path(digest))
    limit = 128 << 20
    options = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)), "timeout": 60}
    assert tool.json("cache", "stats", **options)["entries"]["files"] == 10_004
    parent, child = pty.openpty()
    result = tool.run("cache", "verify", status=1, stdout=subprocess.PIPE, stderr=child, capture_output=False, **options)
    os.close(child)
    bar = os.read(parent, 1 << 20)
    os.close(parent)
    assert b"verifying [" in bar and b"/10004" in bar and "verifying" not in result.stdout
    report = tool.json("cache", "verify", status=1, **options)
    assert report["sound"] == 4 and report["damaged"] == 10_000
    assert len(tool.run("cache", "ls", status=1, **options).stdout.splitlines()) == 10_004
    tool.json("cache", "show", key, **options)
    assert tool.json("cache", "clear", **options)["removed"] == 10_004


def test_usage(tool):
    """A command line that makes no sense ends with 2 and points at the help; help goes to stdout."""
    for arguments in ([], ["cache"], ["cahce"], ["cache", "ls", "--sort", "colour"], ["cache", "show"],
                      ["cache", "ls", "--limit", "-1"], ["inspect", "abcd", "--what"]):
        assert "--help" in tool.error(*arguments, status=2), arguments
    assert "see kroton cache show --help" in tool.error("cache", "show", status=2)
    for command in ("stats", "ls", "show", "verify", "gc", "clear", "why", "export", "import", "keygen", "trust", "sign",
                    "serve-check"):
        assert f"kroton cache {command}" in tool.out("cache", command, "--help")
    assert "Exit status" in tool.out("--help") and tool.out("--version").startswith("kroton ")


if __name__ == "__main__":
    sys.exit(support.main(sys.modules[__name__]))
