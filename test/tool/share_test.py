"""How `kroton` carries entries from one user to another: keygen, trust, sign, export, import."""
import hashlib
import os
import pty
import resource
import signal
import subprocess
import sys
import threading
import time

import support


class User:
    """The same command for somebody else, with an empty cache and a configuration of their own."""

    def __init__(self, tool, name):
        home = tool.home / name
        home.mkdir()
        self.tool, self.home, self.cache = tool, home, home / "cache"
        self.env = {"HOME": str(home), "KROTON_CACHE_DIR": str(self.cache)}

    def __getattr__(self, method):
        if method == "program":
            return self.tool.program
        return lambda *arguments, **options: getattr(self.tool, method)(
            *arguments, **{**options, "env": {**self.env, **options.get("env", {})}})


def public_key(user):
    return user.home / ".config/kroton/keys/signing.pub"


def write_entries(tool, count):
    """Fills the cache with sound entries, small ones, as docs/cache-format.md describes them."""
    def integer(value, nbytes):
        return value.to_bytes(nbytes, "little")

    for i in range(count):
        record = b"made/1\nnumber %d\n%d\n" % (len(str(i)), i)
        body = integer(len(record), 4) + integer(0, 4) + integer(0, 4) + record + bytes(32 + 64)
        entry = b"KROTON\x1a\n" + integer(2, 4) + integer(20 + len(body) + 32, 8) + body
        path = tool.path(hashlib.blake2b(record, digest_size=32).hexdigest())
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(entry + hashlib.blake2b(entry, digest_size=32).digest())
        path.chmod(0o600)


def on_terminal(user, *arguments):
    """What a command that ends well writes to stderr if that is a terminal; its output is read late."""
    parent, child = pty.openpty()
    process = subprocess.Popen([user.program, *map(str, arguments)], env=user.env, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=child)
    os.close(child)
    drain = threading.Timer(0.4, process.stdout.read)  # a bar is for what takes longer than a moment
    drain.start()
    written = b""
    try:
        while more := os.read(parent, 1 << 16):
            written += more
    except OSError:  # the end, as Linux tells it of a terminal
        pass
    os.close(parent)
    drain.join()
    assert process.wait(timeout=60) == 0
    process.stdout.close()
    return written


def test_progress(tool):
    """export and import of many entries show a bar on a terminal, and nothing elsewhere."""
    write_entries(tool, 800)
    bundle = tool.home / "many.ktb"
    assert b"exporting [" in on_terminal(tool, "cache", "export", "-")
    assert tool.run("cache", "export", bundle).stderr == ""
    reader = User(tool, "reader")
    reader.env = {**tool.env, **reader.env}
    start = time.monotonic()
    bar = on_terminal(reader, "cache", "import", "--unsigned", bundle)
    assert b"importing [" in bar or time.monotonic() - start < 0.7, "on a disk without latency there is nothing to show"
    assert reader.json("cache", "verify")["sound"] == 804


def test_killed_import(tool):
    """An import that is killed leaves whole entries; the next one does the rest."""
    write_entries(tool, 300)
    bundle = tool.home / "many.ktb"
    tool.out("cache", "export", bundle)
    reader = User(tool, "reader")
    process = subprocess.Popen([tool.program, "cache", "import", "--unsigned", bundle], env={**tool.env, **reader.env},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(reader.cache.rglob("*.kro"))) < 20 and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    process.wait()
    there = reader.json("cache", "verify")
    assert there["sound"] >= 20 and there["damaged"] == there["unread"] == 0, there
    again = reader.json("cache", "import", "--unsigned", bundle)
    assert again == {"imported": 304 - there["sound"], "there_already": there["sound"]}, (again, there)
    assert reader.json("cache", "verify")["sound"] == 304


def test_keygen(tool):
    """keygen makes a secret that only its owner can read, once; the public half is handed out."""
    made = tool.json("cache", "keygen")
    secret = tool.home / ".config/kroton/keys/signing.key"
    assert secret.stat().st_mode & 0o777 == 0o600 and made["public_file"] == str(public_key(tool))
    assert made["key"] in public_key(tool).read_text()
    before = secret.read_text()
    assert "is there already" in tool.error("cache", "keygen", status=3)
    assert secret.read_text() == before
    assert before.split()[1] not in tool.out("cache", "trust") + tool.out("doctor"), "the secret stays secret"
    no_home = {"HOME": "", "XDG_CONFIG_HOME": ""}
    assert "no configuration directory" in tool.error("cache", "keygen", status=3, env=no_home)


def test_trust(tool):
    """trust lists, adds, replaces and removes keys, and refuses what is none."""
    farm = User(tool, "farm")
    key = farm.json("cache", "keygen")["key"]
    assert tool.json("cache", "trust") == {"keys": [], "problems": []}
    assert tool.json("cache", "trust", "farm", public_key(farm))["keys"] == [{"name": "farm", "key": key}]
    assert f"{key}  farm" in tool.out("cache", "trust")
    assert tool.json("cache", "trust", "--remove", "farm")["keys"] == []
    assert "no trusted key named farm" in tool.error("cache", "trust", "--remove", "farm", status=1)
    assert "no trusted key" in tool.error("cache", "trust", "--remove", "../keys/signing", status=1)
    secret = farm.home / ".config/kroton/keys/signing.key"
    assert "holds no public key" in tool.error("cache", "trust", "bad", secret, status=1)
    assert "is no file of a key" in tool.error("cache", "trust", "bad", "/dev/null", status=1)
    assert "takes a NAME" in tool.error("cache", "trust", "farm", status=2)
    (tool.home / ".config/kroton/trusted").chmod(0o777)
    assert "writable" in tool.run("cache", "trust", "farm", public_key(farm), status=1).stderr


def test_sign(tool):
    """sign marks entries with the user's key; a changed entry is not signed."""
    assert "keygen makes one" in tool.error("cache", "sign", status=3)
    key = tool.json("cache", "keygen")["key"]
    first, second = tool.keys()[:2]
    assert tool.json("cache", "sign", first) == {"signed": 1, "left": 0}
    assert tool.json("cache", "show", first)["signer"] == key and tool.json("cache", "show", second)["signer"] is None
    tool.flip(second, 100)
    result = tool.run("cache", "sign", "--json", status=1)
    assert '"signed": 2' in result.stdout and '"left": 1' in result.stdout and "checksum differs" in result.stderr
    assert tool.json("cache", "verify", status=1)["sound"] == 3


def test_bundles(tool):
    """What one user exports signed, another imports who trusts the key, and finds the same entries."""
    tool.json("cache", "keygen")
    bundle = tool.home / "kernels.ktb"
    assert tool.json("cache", "export", "--sign", bundle) == {"exported": 4, "left_out": 0}
    reader = User(tool, "reader")
    assert "signer" in reader.error("cache", "import", bundle, status=1)
    assert not list(reader.cache.rglob("*.kro"))
    reader.out("cache", "trust", "farm", public_key(tool))
    assert reader.json("cache", "import", bundle) == {"imported": 4, "there_already": 0}
    assert reader.json("cache", "import", bundle) == {"imported": 0, "there_already": 4}
    assert reader.keys() == tool.keys() and reader.json("cache", "verify")["sound"] == 4
    assert reader.out("inspect", tool.keys()[0], "--asm") == tool.out("inspect", tool.keys()[0], "--asm")
    assert tool.json("cache", "export", tool.home / "one", tool.keys()[1])["exported"] == 1


def test_unsigned_bundles(tool):
    """A bundle that nobody signed is imported only by those who say so."""
    bundle = tool.home / "kernels.ktb"
    tool.out("cache", "export", bundle)
    reader = User(tool, "reader")
    assert "it is not signed" in reader.error("cache", "import", bundle, status=1)
    assert reader.json("cache", "import", "--unsigned", bundle)["imported"] == 4
    piped = subprocess.run([tool.program, "cache", "export", "-"], env=tool.env, capture_output=True, check=True)
    assert piped.stdout == bundle.read_bytes() and not piped.stderr, "bundles of the same entries are the same"


def test_damaged_bundles(tool):
    """Of a bundle that is cut, changed, or holds one bad entry, nothing is imported."""
    bundle, bad = tool.home / "kernels.ktb", tool.home / "bad.ktb"
    tool.out("cache", "export", bundle)
    whole = bundle.read_bytes()
    reader = User(tool, "reader")
    for n in (0, 7, 12, 19, 20, len(whole) // 2, len(whole) - 41, len(whole) - 1):
        bad.write_bytes(whole[:n])
        reader.error("cache", "import", "--unsigned", bad, status=1)
    for at in (0, 8, 12, 40, len(whole) // 2, len(whole) - 45, len(whole) - 1):
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
        reader.error("cache", "import", "--unsigned", bad, status=1)
    bad.write_bytes(whole + b"x")
    reader.error("cache", "import", "--unsigned", bad, status=1)
    assert not list(reader.cache.rglob("*.kro"))
    tool.flip(tool.keys()[0], 100)
    result = tool.run("cache", "export", bad, status=1)
    assert "left out" in result.stderr and "3 exported" in result.stdout
    assert reader.json("cache", "import", "--unsigned", bad)["imported"] == 3


def test_trusted_link(tool):
    """Keys in a folder that is a link are not used, and that is said wherever they are told of."""
    tool.out("cache", "keygen")
    trusted = tool.home / ".config/kroton/trusted"
    (tool.home / "elsewhere").mkdir()
    (tool.home / "elsewhere/farm.pub").write_bytes(public_key(tool).read_bytes())
    trusted.symlink_to(tool.home / "elsewhere")
    result = tool.run("cache", "trust", status=1)
    assert "farm" not in result.stdout and f"{trusted} is a link" in result.stderr, result
    facts = {fact["what"]: fact for fact in tool.json("doctor", status=1)["facts"]}
    assert f"{trusted} is a link" in facts["trusted keys"]["problem"]
    trusted.unlink()
    trusted.write_text("no folder")
    assert f"{trusted} is a link or a file" in tool.run("cache", "trust", status=1).stderr


def test_trouble(tool):
    """Where a bundle cannot be read, written or installed, nothing half done stays."""
    bundle = tool.home / "kernels.ktb"
    tool.out("cache", "export", bundle)
    assert "No such file" in tool.error("cache", "import", tool.home / "none", status=3)
    assert "reads twice" in tool.error("cache", "import", "/dev/null", status=2)
    assert "No such file" in tool.error("cache", "export", tool.home / "none/kernels.ktb", status=3)
    assert "JSON" in tool.error("cache", "export", "-", "--json", status=2)
    with open("/dev/full", "w") as full:
        result = tool.run("cache", "export", "-", status=3, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert "No space left" in result.stderr

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    sizes = sorted(tool.path(key).stat().st_size for key in tool.keys())
    limit = sizes[-1] - 1  # some entries fit, one does not
    reader = User(tool, "reader")
    message = reader.error("cache", "import", "--unsigned", bundle, status=3, preexec_fn=small_files)
    assert "File too large" in message, message
    assert not list(reader.cache.rglob("*.kro")) and not list(reader.cache.rglob(".tmp-*"))
    tool.error("cache", "export", tool.home / "large", status=3, preexec_fn=small_files)
    assert not [name for name in os.listdir(tool.home) if name.startswith("large")]
    reader.cache.chmod(0o777)
    assert "chmod go-w" in reader.error("cache", "import", "--unsigned", bundle, status=3)


if __name__ == "__main__":
    sys.exit(support.main(sys.modules[__name__]))
