"""How `kroton` examines the levels that others fill: serve-check, and what doctor says of them."""
import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import support


@contextlib.contextmanager
def store(**habits):
    """The URL of an HTTP store, which may have bad habits: what it answers to a method, or does to a body."""
    kept = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, body=b"", length=None):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def handle_request(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command in habits:
                return self.answer(habits[self.command])
            if self.command == "PUT":
                kept[self.path] = habits.get("spoil", lambda b: b)(body)
                return self.answer(201)
            found = kept.get(self.path)
            return self.answer(404) if found is None else self.answer(200, found)

        do_GET = do_HEAD = do_PUT = handle_request

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/kernels"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def nginx(home, methods):
    """The URL and the folder of a real nginx that lets through the WebDAV methods named."""
    root = home / "nginx"
    (root / "kept").mkdir(parents=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    temporary = "".join(f"  {kind}_temp_path {root}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (root / "conf").write_text(
        ("user root;\n" if os.geteuid() == 0 else "") + f"daemon off;\nmaster_process off;\npid {root}/pid;\n"
        f"error_log {root}/log;\nevents {{}}\nhttp {{\n{temporary}  access_log off;\n  server {{\n    listen 127.0.0.1:{port};\n"
        f"    root {root}/kept;\n    location / {{ dav_methods {methods}; create_full_put_path on; }}\n  }}\n}}\n")
    server = subprocess.Popen(["nginx", "-p", root, "-e", root / "log", "-c", root / "conf"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1000):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, (root / "log").read_text()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}/kernels", root / "kept" / "kernels"
    finally:
        server.kill()
        server.wait()


def problems(tool, url, *options, status=1):
    checks = tool.json("cache", "serve-check", url, *options, status=status)["checks"]
    return {check["what"].split()[0] + ("?" if "not there" in check["what"] else ""): check.get("problem") for check in checks}


def test_good_store(tool):
    """A store that keeps what it is sent passes, time after time, and secrets are not told."""
    with store() as url:
        for _ in range(2):
            assert problems(tool, url, status=0) == {"GET?": None, "PUT": None, "HEAD": None, "GET": None}
        assert tool.out("cache", "serve-check", env={"KROTON_CACHE_URL": url}).count("fine") == 4
        secret = url.replace("//", "//user:secret@")
        assert "secret" not in tool.out("cache", "serve-check", secret) + tool.out("cache", "serve-check", secret, "--json")
        assert "secret" not in tool.run("doctor", status=1, env={"KROTON_CACHE_URL": secret}).stdout


def test_bad_stores(tool):
    """What a store does wrong is told by the request that shows it."""
    with store(PUT=403) as url:
        found = problems(tool, url)
        assert "403" in found["PUT"] and "404" in found["HEAD"] and found["GET?"] is None, found
        assert problems(tool, url, "--read-only", status=0) == {"GET?": None}
    with store(GET=200) as url:
        assert "expected HTTP status 404 or 410, got HTTP status 200" in problems(tool, url)["GET?"]
    with store(HEAD=405) as url:
        assert "405" in problems(tool, url)["HEAD"]
    with store(spoil=lambda body: body[:-1] + bytes([body[-1] ^ 1])) as url:
        found = problems(tool, url)
        assert found["HEAD"] is None and "other bytes" in found["GET"], found
    with store(spoil=lambda body: body[:-1]) as url:
        assert "Content-Length" in problems(tool, url)["HEAD"]
    with store(GET=500) as url:
        assert "500" in problems(tool, url)["GET"]


def test_nginx(tool):
    """A real nginx with WebDAV passes, one without is told apart, and what it keeps can be looked at by its digest."""
    if not shutil.which("nginx"):
        print("nginx is not installed: tools/install_deps.sh --test installs it")
        return
    with nginx(tool.home / "with", "PUT") as (url, kept):
        for _ in range(2):
            assert problems(tool, url, status=0) == {"GET?": None, "PUT": None, "HEAD": None, "GET": None}
        assert len(list(kept.rglob("*.kro"))) == 1
        key, other = tool.keys()[:2]
        source = tool.out("inspect", key, "--source")
        (kept / "v2" / key[:2]).mkdir(parents=True, exist_ok=True)
        shutil.move(tool.path(key), kept / "v2" / key[:2])
        env = {"KROTON_CACHE_URL": url.replace("//", "//user:secret@")}
        assert tool.out("inspect", key, "--source", env=env) == source
        shown = tool.json("cache", "show", key, env=env)
        assert shown["level"] == url and shown["nbytes"] == (kept / "v2" / key[:2] / f"{key}.kro").stat().st_size
        assert "last used" not in tool.out("cache", "show", key, env=env)
        assert tool.json("cache", "why", other, key, env=env)["second"] == key
        assert "begins with" in tool.error("inspect", key[:12], status=1, env=env)
        shutil.copy(tool.path(other), kept / "v2" / key[:2] / f"{key}.kro")
        assert "it belongs to another key" in tool.run("cache", "show", key, env=env, status=1).stdout
        (kept / "v2" / key[:2] / f"{key}.kro").write_bytes(b"<html>")
        assert url in tool.error("inspect", key, env=env, status=1)
    gone = tool.error("inspect", key, env=env, status=3)
    assert "onnect" in gone and "secret" not in gone, gone
    with nginx(tool.home / "without", "off") as (url, _):
        found = problems(tool, url)
        assert "405" in found["PUT"] and found["GET?"] is None, found
        assert problems(tool, url, "--read-only", status=0) == {"GET?": None}


def test_open_store(tool):
    """A store that is believed unsigned over plain HTTP is a problem, however the scheme is spelled."""
    def problem(url, **env):
        facts = tool.json("doctor", status=None, env={"KROTON_CACHE_URL": url, **env})["facts"]
        return next(fact for fact in facts if fact["what"] == "cache store").get("problem", "")

    with store() as url:
        assert "plain http" not in problem(url)
        for spelled in (url, url.replace("http", "HTTP")):
            assert "believed unsigned over plain http" in problem(spelled, KROTON_CACHE_UNSIGNED="url")


def test_odd_passwords(tool):
    """A password is not shown, whatever characters it has."""
    for secret in ("sec/ret", "sec?ret", "sec#ret", "sec@ret", "%73ecret"):
        url = f"http://me:{secret}@127.0.0.1:1/kernels"
        env = {"KROTON_CACHE_URL": url, "KROTON_CACHE_TIMEOUT_MS": "300"}
        for command in (["doctor"], ["doctor", "--json"], ["cache", "serve-check"], ["cache", "serve-check", "--json"],
                        ["cache", "serve-check", url], ["inspect", "0" * 64]):
            shown = tool.run(*command, status=None, env=env)
            for part in (secret, "sec", "me:"):
                assert part not in (shown.stdout + shown.stderr).replace("seconds", ""), (command, part, shown)


def test_no_store(tool):
    """No server, no URL and no plugin are said as such."""
    assert all(problem for problem in problems(tool, "http://127.0.0.1:1").values())
    assert "give a URL" in tool.error("cache", "serve-check", status=2)
    lost = tool.error("cache", "serve-check", "http://127.0.0.1:1", status=3, env={"KROTON_PLUGIN_DIR": "/nowhere"})
    assert "libkroton-http.so is in none of /nowhere" in lost


def test_doctor(tool):
    """doctor tells of each level, of the keys, and that without trusted keys shared levels are of no use."""
    def facts(**env):
        report = tool.json("doctor", env=env, status=None)
        return {fact["what"]: fact for fact in report["facts"]}

    alone = facts()
    assert alone["signing key"]["is"] == "none" and "problem" not in alone["trusted keys"]
    shared = facts(KROTON_CACHE_PATH=str(tool.cache))
    assert shared["cache path"]["is"] == f"{tool.cache}, 4 entries, believed if signed"
    assert "kroton cache trust" in shared["trusted keys"]["problem"]
    key = tool.json("cache", "keygen")["key"]
    found = facts(KROTON_CACHE_PATH=str(tool.cache))
    assert found["signing key"]["is"] == key and "problem" not in found["trusted keys"], found
    assert "No such file" in facts(KROTON_CACHE_PATH="/nowhere")["cache path"]["problem"]
    tool.cache.chmod(0o777)
    unsigned = facts(KROTON_CACHE_PATH=str(tool.cache), KROTON_CACHE_UNSIGNED="path")["cache path"]
    assert "believed unsigned" in unsigned["is"] and "writable" in unsigned["problem"]
    with store() as url:
        assert "problem" not in facts(KROTON_CACHE_URL=url)["cache store"]
    assert "connect" in facts(KROTON_CACHE_URL="http://127.0.0.1:1")["cache store"]["problem"]


if __name__ == "__main__":
    sys.exit(support.main(sys.modules[__name__]))
