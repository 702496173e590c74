"""Golden transcripts: a file names a target and commands, and holds what the session must look like.

    # What it shows.
    target: fakekernel a --stopped | replay FILE... | image FILE | guest a [run options] | none
            | program PATH [ARGUMENT ...]   (a program to start; PATH is below the build directory)
            | attach PATH [ARGUMENT ...]    (the same, started by the test and attached to)
            | named PATH [ARGUMENT ...]     (the same, with `-pn`, under a name that nothing else has)
            | core PATH [ARGUMENT ...]      (the same, in a first session that runs the lines `first: COMMAND`;
                                   the session that is shown opens the core that they wrote, %CORE%)
                                   (`a,b` for the variant: once with each, and both must look the same)
    debuginfod: PATH [stalls]  (a server that has this debug file under its build-id, %SERVER%; optional; stalls: half of it comes)
    environment: NAME=VALUE    (optional, repeatable)
    options: -lines            (more options of ringside; optional; %VARIANT% is the target's)
    mask: REGEX => TEXT        (on top of the built-in ones; optional, repeatable)
    terminal                   (on a pseudo-terminal; optional)
    > command
    > command
    < TEXT => KEYS             (on a terminal, while the prompt does not read: typed when TEXT has come; ^C is Ctrl+C)
    again                      (what comes behind are another session's commands, on the same target and the same files)
    kill -9                    (the same, and the session before is killed at the prompt behind its last command)
    ---
    the session, masked

Built-in masks hide what differs from boot to boot: addresses, times, process and thread ids. `--update` rewrites files.
"""
import argparse
import contextlib
import http.server
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from terminal import PROMPT, Terminal

ROOT = pathlib.Path(__file__).resolve().parent.parent

BUILTIN = [
    (r"\x1b\[[0-9;]*m", ""),
    (r"\((Sun|Mon|Tue|Wed|Thu|Fri|Sat) .*? \d{4}\)", "(TIME)"),
    (r"Ringside Debugger Version \S+", "Ringside Debugger Version N"),
]
LIBRARIES = r"(libc\.so\.6|ld-linux-x86-64\.so\.2|libm\.so\.6|libgcc_s\.so\.1|libstdc\+\+\.so\.6|libdl\.so\.2)"
USER = [  # what differs among machines too: the system's libraries, and whether their names are known
    (r"\b(libc|ld_linux_x86_64)[!+]\S+", r"\1!NAME"),
    (r"^((?:Create|Exit) (?:process|thread) \d+):\w+((?:, code \w+)?)\n"
     r"(?:(?:ld_linux_x86_64|libc)!NAME\n)?[0-9a-f]{8}`[0-9a-f]{8} .*$", r"\1:ID\2\nCODE"),
    (r"^(ld_linux_x86_64|libc)!NAME\n[0-9a-f]{8}`[0-9a-f]{8} .*$", r"\1!NAME: CODE"),
    (r"^(ModLoad: [0-9a-f]{8}`[0-9a-f]{8} [0-9a-f]{8}`[0-9a-f]{8}   )/\S*/" + LIBRARIES + "$", r"\1LIB/\2"),
    (r"\bLast event: [0-9a-f]+\.[0-9a-f]+:", "Last event: PID.TID:"),
    (r"\brs([-_])" + str(os.getpid()), r"named\1program"),
    (r"0x0000(5[56]|7[ef])[0-9a-f]{2}`[0-9a-f]{8}", "0xUADDR"),
    (r"\b0000(5[56]|7[ef])[0-9a-f]{2}`[0-9a-f]{8}\b", "UADDR"),
    (r"0x(5[56]|7[ef])[0-9a-f]{10}\b", "0xUADDR"),
    (r"\b0000(5[56]|7[ef])[0-9a-f]{10}\b", "UADDR"),
    (r"\(([0-9a-f]+)\.([0-9a-f]+)\): ", "(PID.TID): "),
    (r"\b([Ii]d): [0-9a-f]+\.[0-9a-f]+\b", r"\1: PID.TID"),
    (r"\bid: [0-9a-f]+\b", "id: PID"),
    (r"\b((Create|Exit) (process|thread) \d+):[0-9a-f]+", r"\1:ID"),
]
ADDRESS = [
    (r"\b(ffff[0-9a-f]{4})`[0-9a-f]{8}\b", "KADDR"),
    (r"\bffff[0-9a-f]{12}\b", "KADDR"),
    (r"0x(ffff[0-9a-f]{4})`[0-9a-f]{8}\b", "0xKADDR"),
]


class Session:
    def __init__(self):
        self.commands, self.killed = [], False


class Case:
    def __init__(self, path):
        self.path = path
        self.head, self.masks, self.options, self.first, self.environment = [], [], [], [], {}
        self.sessions = [Session()]
        self.target = "none"
        self.keep_addresses = False
        self.from_first_prompt = False
        self.terminal = False
        self.debuginfod = None
        text = path.read_text()
        front, _, self.expected = text.partition("\n---\n")
        for line in front.splitlines():
            self.head.append(line)
            if line.startswith("target: "):
                self.target = line[8:]
            elif line.startswith("options: "):
                self.options += line[9:].split()
            elif line.startswith("environment: "):
                name, _, value = line[13:].partition("=")
                self.environment[name] = value
            elif line.startswith("first: "):
                self.first.append(line[7:])
            elif line.startswith("mask: "):
                pattern, _, to = line[6:].partition(" => ")
                self.masks.append((pattern, to))
            elif line == "keep-addresses":
                self.keep_addresses = True
            elif line == "from-first-prompt":
                self.from_first_prompt = True
            elif line.startswith("debuginfod: "):
                self.debuginfod = line[12:]
            elif line == "terminal":
                self.terminal = True
            elif line in ("again", "kill -9"):
                self.sessions[-1].killed = line == "kill -9"
                self.sessions.append(Session())
            elif line.startswith("> ") or line == ">":
                self.sessions[-1].commands.append(line[2:])
            elif line.startswith("< "):
                wait, _, keys = line[2:].partition(" => ")
                keys = re.sub(r"\^([A-Z])", lambda m: chr(ord(m[1]) - 64), keys)
                self.sessions[-1].commands.append((wait, keys))

    def normalise(self, text):
        if self.from_first_prompt:
            m = re.search(r"^(\d+: )?(kd|\d:\d\d\d)> ", text, re.M)
            text = text[m.start():] if m else text
        user = USER if self.target.startswith(("program", "attach", "named", "core")) else []
        masks = self.masks + BUILTIN + user + ([] if self.keep_addresses else ADDRESS)
        for pattern, to in masks:
            text = re.sub(pattern, to, text, flags=re.M)
        return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"

    def save(self, actual):
        self.path.write_text("\n".join(self.head) + "\n---\n" + actual)


@contextlib.contextmanager
def process(args, ready=None, **kw):
    """Runs args in the background; ready: a path that appears when it can be used."""
    p = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **kw)
    try:
        until = time.time() + 30
        while ready and not os.path.exists(ready) and p.poll() is None and time.time() < until:
            time.sleep(0.02)
        if p.poll() is not None:
            raise RuntimeError(f"{args[0]} ended: {p.stderr.read().decode(errors='replace')[-400:]}")
        yield p
    finally:
        p.terminate()
        try:
            p.wait(10)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


def sleeping(pid):
    """Waits until all threads sleep and stay asleep, or half a second: then they are past what loads and prepares."""
    def look():
        status = [(t / "status").read_text() for t in pathlib.Path(f"/proc/{pid}/task").iterdir()]
        return all("State:\tS" in text for text in status) and sorted(re.findall(r"ctxt_switches:.*", "".join(status)))
    before, until = None, time.time() + 0.5
    while time.time() < until and not (before and before == look()):
        before = look()
        time.sleep(0.1)


@contextlib.contextmanager
def target(words, build, tmp):
    """The ringside options for a target line, with whatever it needs running."""
    kind, rest = words[0], words[1:]
    sock = str(tmp / "kd")
    kd = ["-k", f"com:pipe,port={sock},reconnect"]
    if kind == "none":
        yield []
    elif kind == "image":
        yield ["-z", str(ROOT / build / rest[0])]
    elif kind == "program":
        yield []
    elif kind == "core":
        yield ["-z", str(tmp / "core")]
    elif kind == "attach":
        with process([str(ROOT / build / rest[0]), *rest[1:]]) as p:
            sleeping(p.pid)
            yield ["-p", str(p.pid)]
    elif kind == "named":
        own = tmp / f"rs-{os.getpid()}"
        shutil.copy(ROOT / build / rest[0], own)
        with process([str(own), *rest[1:]]) as p:
            sleeping(p.pid)
            yield ["-pn", own.name]
    elif kind == "fakekernel":
        with process([str(ROOT / build / f"tests/kdpeer/fakekernel-{rest[0]}"), *rest[1:], f"unix:{sock}"], sock):
            yield kd
    elif kind == "replay":
        with process([str(ROOT / build / "tests/kdpeer/replay"), f"unix:{sock}",
                      *[str(ROOT / f) for f in rest]], sock):
            yield kd
    elif kind == "guest":
        log = tmp / "guest.log"
        with process([sys.executable, str(ROOT / "guest/run"), "--out", str(ROOT / build / "guest"), "--variant", rest[0], "--pipe", sock,
                      "--debug-log", str(log), *rest[1:]], sock):
            yield kd
    else:
        raise RuntimeError(f"unknown target {kind}")


@contextlib.contextmanager
def debuginfod(line, build):
    """Its address; it says that it has nothing but the debug file that the line names."""
    if not line:
        yield ""
        return
    path, *stalls = line.split()
    path = ROOT / build / path
    ident = re.search("Build ID: ([0-9a-f]+)", subprocess.run(["readelf", "-n", path], capture_output=True, text=True).stdout)
    gone = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            have = ident and self.path == f"/buildid/{ident[1]}/debuginfo"
            body = path.read_bytes() if have else b""
            self.send_response(200 if have else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:len(body) // 2] if stalls else body)
            if have and stalls:
                gone.wait()

        def log_message(self, *_):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        gone.set()
        server.shutdown()


def start(build, args, env):
    environment = dict(os.environ, NO_COLOR="1", HOME="/nonexistent-home", TZ="UTC", **(env or {}))
    for name in ("_NT_SYMBOL_PATH", "_NT_ALT_SYMBOL_PATH"):
        environment.pop(name, None)
    return subprocess.Popen([str(ROOT / build / "src/ringside"), *args], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def ringside(build, args, commands, timeout=120, env=None):
    p = start(build, args, env)
    try:
        out, _ = p.communicate(("\n".join(commands) + "\n").encode() if commands else b"", timeout)
    except subprocess.TimeoutExpired:
        p.kill()
        out, _ = p.communicate()
        return out.decode(errors="replace") + "\n*** timed out\n", None
    return out.decode(errors="replace"), p.returncode


def killed_at_the_prompt(build, args, commands, timeout, env):
    """As ringside(), but killed when the prompt stands there again behind the last command."""
    with start(build, args, env) as p:
        p.stdin.write(("\n".join(commands) + "\n").encode())
        p.stdin.flush()
        text, until = "", time.time() + timeout
        while len(re.findall(PROMPT.pattern[:-1], text, re.M)) <= len(commands) or not PROMPT.search(text):
            came = select.select([p.stdout], [], [], 0.1)[0] and os.read(p.stdout.fileno(), 65536)
            text += came.decode(errors="replace") if came else ""
            if time.time() > until or came == b"":
                p.kill()
                return text + "\n*** no prompt\n", None
        p.kill()
        return text + "\n", 0


def on_terminal(build, args, commands, timeout, env):
    """As ringside(), with somebody at a terminal: commands are for the prompt, pairs (TEXT, KEYS) for the program."""
    with Terminal(build, args, dict(env, HOME="/nonexistent-home", TZ="UTC")) as t:
        try:
            for command in commands:
                if isinstance(command, str):
                    t.prompt(timeout)
                    t.type(command + "\r")
                else:
                    t.wait(command[0], timeout)
                    t.away(timeout)
                    t.type(command[1])
            code = t.exit_code(timeout)
        except AssertionError as e:
            return f"{Terminal.text(t.all)}\n*** {e}\n", None
    return Terminal.text(t.all), code


def targets(case):
    """The target line, once for each variant that it names."""
    words = case.target.split()
    if len(words) < 2 or not re.fullmatch(r"\w(,\w)+", words[1]):
        return [words]
    return [[words[0], v, *words[2:]] for v in words[1].split(",")]


def run_case(case, build, words, timeout):
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        tmp = pathlib.Path(d)
        places = {"%TMP%": d, "%BUILD%": str(ROOT / build), "%ROOT%": str(ROOT)}
        words = [expand(w, places) for w in words]
        env = {"XDG_CACHE_HOME": d, "XDG_STATE_HOME": d, **case.environment}
        with target(words, build, tmp) as options, debuginfod(case.debuginfod, build) as server:
            program = [str(ROOT / build / words[1]), *words[2:]] if words[0] in ("program", "core") else []
            names = {**places, "%VARIANT%": words[1] if len(words) > 1 else "", "%CORE%": str(tmp / "core"), "%SERVER%": server}
            if words[0] == "core":
                first, _ = ringside(build, program, [expand(c, names) for c in case.first], timeout, env)
                if not (tmp / "core").exists():
                    return "no core was written:\n" + first
                program = []
            shown = ""
            for session in case.sessions:
                run = on_terminal if case.terminal else killed_at_the_prompt if session.killed else ringside
                text, code = run(build, options + [expand(o, names) for o in case.options] + program,
                                 [expand(c, names) if isinstance(c, str) else c for c in session.commands], timeout, env)
                for name, place in [("%SERVER%", server), *places.items()]:
                    text = text.replace(place, name) if place else text
                shown += case.normalise(text)
                shown += "" if code == 0 else f"exit code {code}\n"
                if session is not case.sessions[-1]:
                    shown += "*** killed\n" if session.killed else "*** again\n"
        return shown


def expand(text, names):
    return re.sub("|".join(names), lambda m: names[m[0]], text)


def difference(case, actual):
    import difflib
    return "\n".join(difflib.unified_diff(case.expected.splitlines(), actual.splitlines(), "expected", "actual", lineterm="", n=2))


def main(folder, others=()):
    """How many failed. others: names that are no transcripts but may be asked for."""
    ap = argparse.ArgumentParser()
    ap.add_argument("--build", default="build")
    ap.add_argument("--update", action="store_true")
    ap.add_argument("--timeout", type=int, default=120, help="seconds for one session")
    ap.add_argument("names", nargs="*")
    a = ap.parse_args()
    paths = sorted(folder.glob("*.golden"))
    unknown = [n for n in a.names if n not in others and n not in [p.stem for p in paths]]
    for name in unknown:
        print(f"FAIL {name}: there is no such test", flush=True)
    bad = len(unknown)
    for path in paths:
        if a.names and path.stem not in a.names:
            continue
        case = Case(path)
        for words in targets(case):
            name = path.stem if len(targets(case)) == 1 else f"{path.stem} ({words[1]})"
            try:
                actual = run_case(case, a.build, words, a.timeout)
            except RuntimeError as e:
                print(f"FAIL {name}: {e}", flush=True)
                bad += 1
                continue
            if a.update and words == targets(case)[0]:
                case.save(actual)
                case.expected = actual
                print(f"wrote {path.name}", flush=True)
            elif actual == case.expected:
                print(f"ok {name}", flush=True)
            else:
                print(f"FAIL {name}", flush=True)
                print(difference(case, actual), flush=True)
                bad += 1
    return bad
