"""End-to-end scenarios that a transcript cannot say: processes killed, links damaged, counts compared.

Each function is one test; a name that begins with `guest_` needs QEMU. It raises AssertionError or
returns. Peers: tests/kdpeer (fakekernel, replay, faultproxy), the guest.
"""
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import transcript
from transcript import ROOT

K_WORK = 0x1040        # fakekernel: offsets from its kernel's base, see tests/kdpeer/machine.c
K_WORK_COUNT = 0x2f00


@contextlib.contextmanager
def peer(build, program, *args):
    """Starts a peer; yields (process, what it says behind "ready")."""
    p = subprocess.Popen([str(ROOT / build / "tests/kdpeer" / program), *args], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
    try:
        line = p.stdout.readline()
        if not line.startswith("ready "):
            raise AssertionError(f"{program}: {line}")
        yield p, line.split(maxsplit=1)[1].strip() if len(line.split()) > 1 else ""
    finally:
        if p.poll() is None:
            p.kill()
        p.wait()


def epilogue(p):
    """Ends a fakekernel; its counters as a dict."""
    p.send_signal(signal.SIGTERM)
    try:
        out, _ = p.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        p.send_signal(signal.SIGTERM)
        out, _ = p.communicate(timeout=10)
    words = out.split()
    return {words[i]: int(words[i + 1]) for i in range(0, len(words) - 1, 2) if words[i + 1].isdigit()}


@contextlib.contextmanager
def fake(build, variant, *args):
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        sock = f"{d}/kd"
        with peer(build, f"fakekernel-{variant}", *args, f"unix:{sock}") as (p, _):
            yield p, ["-k", f"com:pipe,port={sock}"], d


def rs(build, d, args, commands, timeout=120):
    text, code = transcript.ringside(build, args, commands, timeout, {"XDG_CACHE_HOME": d, "XDG_STATE_HOME": d})
    return text, code


def must(condition, text):
    if not condition:
        raise AssertionError(text)


def expect(text, *parts):
    for part in parts:
        must(part in text, f"no '{part}' in:\n{text[-3000:]}")


# ---- the link ----

def tcp_link(build):
    """com:ipport=N,port=HOST"""
    with peer(build, "fakekernel-a", "tcp:0") as (p, port):
        text, code = rs(build, "/tmp", ["-k", f"com:ipport={port},port=127.0.0.1", "-b"], ["r rip", "q"])
        expect(text, "Kernel Debugger connection established.", "rip=")
        must(code == 0, text)


def pty_link(build):
    """com:port=/dev/pts/N,baud=N"""
    with peer(build, "fakekernel-a", "pty:") as (p, name):
        text, code = rs(build, "/tmp", ["-k", f"com:port={name},baud=115200", "-b"], ["r rip", "q"])
        expect(text, "Kernel Debugger connection established.", "rip=")
        must(code == 0, text)


def boot_log_before_packets(build):
    with fake(build, "a", "--boot-log") as (p, k, d):
        text, code = rs(build, d, k + ["-b"], ["? 1+1", "q"])
        expect(text, "Evaluate expression: 2 ")


def rest_of_a_dead_debugger(build):
    for variant in "ab":
        with fake(build, variant, "--mid-packet") as (p, k, d):
            text, code = rs(build, d, k + ["-b"], ["? 1+1", "q"])
            expect(text, "Evaluate expression: 2 ")
            must(code == 0, text)


def silence_is_explained(build):
    with fake(build, "a", "--mute") as (p, k, d):
        text, code = rs(build, d, ["--doctor", *k], [], 30)
        expect(text, "[--] kernel target answers")


def nobody_there(build):
    text, code = rs(build, "/tmp", ["-k", "com:ipport=1,port=127.0.0.1"], [], 30)
    must(code != 0, text)
    text, code = rs(build, "/tmp", ["-k", "com:pipe,port=/tmp/x,colour=red"], [], 30)
    expect(text, "colour")
    must(code == 2, text)


def reboot_while_attached(build):
    with fake(build, "a", "--reboot-after", "300") as (p, k, d):
        text, code = rs(build, d, k[:1] + [k[1] + ",reconnect", "-b", "-d"], ["g", "? 1+1", "q"], 60)
        expect(text, "Evaluate expression: 2 ")
        must("lost" not in text, text)


def driver_replacement(build):
    """.kdfiles: the target asks for a driver's file and gets the host's."""
    with tempfile.TemporaryDirectory() as t:
        pathlib.Path(t, "new.sys").write_bytes(bytes(range(256)) * 100)
        pathlib.Path(t, "map.txt").write_text(f"map\n\\Systemroot\\system32\\drivers\\toy.sys\n{t}/new.sys\n")
        with fake(build, "a", "--stopped", "--reboot-after", "200", "--file", "\\Systemroot\\system32\\drivers\\toy.sys") as (p, k, d):
            text, code = rs(build, d, k[:1] + [k[1] + ",reconnect"], [f".kdfiles {t}/map.txt", ".kdfiles", "g", "q"], 60)
            expect(text, "KD file associations loaded", "new.sys")


def damaged_link(build):
    """1 % of the packets damaged: every answer right."""
    for variant in "ab":
        with fake(build, variant) as (p, k, d):
            sock = k[1].split("port=")[1]
            with peer(build, "faultproxy", "--seed", "7", "--rate", "0.01", f"unix:{d}/proxy", f"unixto:{sock}") as (q, _):
                commands = ["r $t0=0"]
                commands += [".for (r $t0=0; @$t0 < 0n300; r $t0=@$t0+1) { .cache flushall; .printf \"%x\\n\", by(140002000) & 0 }"]
                text, code = rs(build, d, ["-k", f"com:pipe,port={d}/proxy", "-b"], commands + ["? @$t0", "q"], 300)
                expect(text, "= 00000000`0000012c")
                must(code == 0, text[-2000:])
            must(epilogue(p)["int3"] == 0, "a byte of ours stayed in the target")


def dead_link_is_said(build):
    with fake(build, "a") as (p, k, d):
        sock = k[1].split("port=")[1]
        with peer(build, "faultproxy", "--close-after", "6000", f"unix:{d}/proxy", f"unixto:{sock}") as (q, _):
            text, code = rs(build, d, ["-k", f"com:pipe,port={d}/proxy", "-b"],
                            ["db fffff800`00a00000 L4000", "r", "db fffff800`00a01000 L4000", "g", "q"], 60)
            must(code not in (0, None), text[-2000:])


# ---- breakpoints ----

def ten_thousand_hits(build):
    """Two processors, two processes, one function: counts exact."""
    for variant in "ab":
        with fake(build, variant, "--stopped", "--instructions", "2000") as (p, k, d):
            commands = [
                f"r $t1 = poi(nt+0n{K_WORK_COUNT})",
                f"bp nt+0n{K_WORK} 0n10000",
                "g",
                f".printf \"counted %d\\n\", poi(nt+0n{K_WORK_COUNT}) - @$t1",
                "bl", "bc *", "q"]
            text, code = rs(build, d, k, commands, 280)
            # The 10,000th arrival stops at the function's first instruction: 9,999 have been counted,
            # less those that another processor has still between entry and the count.
            m = re.search(r"^counted (\d+)", text, re.M)
            must(m, text[-2000:])
            must(9998 <= int(m.group(1)) <= 9999, f"{m.group(1)} of 9999 counted\n{text[-1500:]}")
            expect(text, "0001 (2710)")
            state = epilogue(p)
            must(state["int3"] == 0 and state["unhandled"] == 0, str(state))


def leaves_nothing_behind(build):
    for variant in "ab":
        for leave in ("q", ".detach\nq"):
            with fake(build, variant, "--stopped") as (p, k, d):
                commands = [f"bp nt+0n{K_WORK}", "bp 140001080", "ba w8 140002000", "g", "g", *leave.split("\n")]
                text, code = rs(build, d, k, commands, 60)
                expect(text, "Breakpoint")
                time.sleep(0.3)
                state = epilogue(p)
                must(state["int3"] == 0, f"{leave}: {state}\n{text[-1500:]}")
                must(state["ticks"] > 0 and state["unhandled"] == 0, str(state))


def killed_and_attached_again(build):
    """kill -9 of the debugger while stopped, running, reading, inserting; then attach again."""
    phases = {
        "stopped": ["bp nt+0n4160", "g"],
        "running": ["bp nt+0n4160 0nffff", "g"],
        "reading": ["bp nt+0n4160", "g", ".while (1) { .cache flushall; .if (by(nt)) { r $t0 = 1 } }"],
        "inserting": ["bp nt+0n4160 \"r $t0 = @$t0 + 1; gc\"", "g"],
    }
    for variant in "ab":
        for phase, commands in phases.items():
            with fake(build, variant) as (p, k, d):
                env = dict(os.environ, XDG_CACHE_HOME=d, XDG_STATE_HOME=d)
                q = subprocess.Popen([str(ROOT / build / "src/ringside"), *k, "-b"], stdin=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
                q.stdin.write(("\n".join(commands) + "\n").encode())
                q.stdin.flush()
                time.sleep(1.5)
                q.kill()
                q.wait()
                text, code = rs(build, d, k + ["-b"], ["r rip", "q"], 60)
                expect(text, "rip=")
                must(code == 0, f"{variant} {phase}: {text[-1500:]}")
                time.sleep(0.5)
                state = epilogue(p)
                must(state["int3"] == 0, f"{variant} {phase}: {state}\n{text[-1500:]}")


def api_example(build):
    with fake(build, "a") as (p, k, d):
        r = subprocess.run([str(ROOT / build / "examples/hits"), k[1], f"nt+0n{K_WORK}", "5"], capture_output=True,
                           text=True, timeout=60)
        must(r.returncode == 0, r.stdout + r.stderr)
        expect(r.stdout, "hit 5 of breakpoint 0: nt", "5 hits")


# ---- files ----

def workspace_keeps_bu(build):
    with fake(build, "a", "--stopped") as (p, k, d):
        text, _ = rs(build, d, k + ["-W", f"{d}/ws"], ["bu nosuch!one", "bp 140001080", "sxe ld:toy", "q"])
        saved = pathlib.Path(d, "ws").read_text()
        expect(saved, "bu0 nosuch!one", "sxe ld:toy")
        must("140001080" not in saved, saved)
        text, _ = rs(build, d, k + ["-b", "-W", f"{d}/ws"], ["bl", "sx", "q"])
        expect(text, "(nosuch!one)", "(only break for toy)")


# ---- recordings of another kernel ----

class _Skip(Exception):
    """The reason why a scenario cannot run here."""


def _converse(args, d, build, on_break, timeout=90):
    """Answers prompts with "i" and stops of the target's own with "g"; when it runs quietly, Ctrl+C, then on_break."""
    env = dict(os.environ, NO_COLOR="1", TZ="UTC", XDG_CACHE_HOME=d, XDG_STATE_HOME=d)
    p = subprocess.Popen([str(ROOT / build / "src/ringside"), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, env=env)
    os.set_blocking(p.stdout.fileno(), False)
    text, told, asked, quiet, until = "", 0, False, time.time(), time.time() + timeout

    def say(line):
        nonlocal told
        p.stdin.write((line + "\n").encode())
        p.stdin.flush()
        told = len(text)

    try:
        while p.poll() is None and time.time() < until:
            more = (p.stdout.read() or b"").decode(errors="replace")
            text += more
            if more:
                quiet = time.time()
            elif len(text) > told and text.endswith("Input> "):
                say("i")
            elif len(text) > told and text.endswith("kd> "):
                say(on_break.pop(0) if asked and on_break else "g")
            elif time.time() - quiet > 3 and not asked:
                p.send_signal(signal.SIGINT)
                asked, quiet = True, time.time()
            time.sleep(0.05)
        text += (p.stdout.read() or b"").decode(errors="replace")
        must(p.poll() is not None, f"no end of the session:\n{text[-3000:]}")
        return text, p.returncode
    finally:
        if p.poll() is None:
            p.kill()
        p.wait()


def replay_captures(build):
    """A target made of another kernel's recordings: attach, walk through its boot, break in, step, leave."""
    folder = ROOT.parent / "shared/kd-captures"
    files = sorted(folder.glob("*.kd"), key=lambda f: (f.name != "boot.kd", f.name))
    if not files:
        raise _Skip("no recordings beside the repository")
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        with peer(build, "replay", f"unix:{d}/kd", *map(str, files)) as (p, _):
            text, code = _converse(["-k", f"com:pipe,port={d}/kd"], d, build,
                                   ["lm", "r rip", "t", ".lastevent", "q"])
            expect(text, "Kernel Debugger connection established.", "ReactOS 0.4.16", "Critical  process", "Fatal System Error",
                   "hal        (deferred)", "Break instruction exception")
            must(re.search("^Last event: (Step completed|Single step exception)", text, re.M), text[-3000:])
            must(code == 0, text[-3000:])


# ---- the guest in QEMU ----

FIND = ("r $t2 = 0; bp0 nt!NtWriteFile",
        ".while (@$t2 == 0) { g; .foreach /pS 1 /ps 100 (p {!process 0 0 fscapture.exe}) { r $t2 = ${p} } }",
        "bc 0")


@contextlib.contextmanager
def _guest(build, variant, *args):
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        with transcript.target(["guest", variant, *args], build, pathlib.Path(d)) as k:
            out = ROOT / build / "guest" / variant
            yield [*k, "-b", "-y", f"{out / 'pub'};{out}"], d


def guest_heals_after_a_crash(build):
    """kill -9 while a byte of ours stands in one process's page and another in the kernel."""
    for variant in "ab":
        try:
            _heals(build, variant)
        except AssertionError as e:
            # Once the guest said nothing at all to the second debugger (docs/testing.md): boot anew.
            if "Nothing was received" not in str(e):
                raise
            _heals(build, variant)


def _heals(build, variant):
    with _guest(build, variant) as (k, d):
        env = dict(os.environ, XDG_CACHE_HOME=d, XDG_STATE_HOME=d, NO_COLOR="1")
        log = open(f"{d}/first", "w")
        q = subprocess.Popen([str(ROOT / build / "src/ringside"), *k], stdin=subprocess.PIPE, stdout=log,
                             stderr=subprocess.STDOUT, env=env)
        commands = [*FIND, ".process /r /p @$t2", "bp /p @$t2 fscapture!CaptureFrame \"gc\"", "bp nt!NtReadFile \"gc\"",
                    ".echo running", "g"]
        q.stdin.write(("\n".join(commands) + "\n").encode())
        q.stdin.flush()
        until = time.time() + 40
        while "\nrunning" not in pathlib.Path(f"{d}/first").read_text(errors="replace") and time.time() < until:
            time.sleep(0.1)
        time.sleep(1)
        q.kill()
        q.wait()
        count = ".printf \"frames %d\\n\", dwo(fscapture!g_FrameCount)"
        text, code = rs(build, d, k, [*FIND, ".process /r /p @$t2", count, "bp /1 /p @$t2 nt!NtWriteFile", "g",
                                      "bp /1 /p @$t2 nt!NtWriteFile", "g", ".reload /user", count, "q"], 120)
        expect(text, "Mended 1 byte")
        frames = [int(n) for n in re.findall(r"^frames (\d+)", text, re.M)]
        must(code == 0 and len(frames) == 2 and frames[1] > frames[0], f"{variant}: {frames}\n{text[-2500:]}")
        must("Access violation" not in text and "second chance" not in text, text[-2500:])


def guest_api_example(build):
    with _guest(build, "b") as (k, d):
        r = subprocess.run([str(ROOT / build / "examples/hits"), k[1], "nt!NtWriteFile", "3",
                            str(ROOT / build / "guest/b/pub")], capture_output=True, text=True, timeout=90)
        must(r.returncode == 0, r.stdout + r.stderr)
        expect(r.stdout, "hit 3 of breakpoint 0: nt!NtWriteFile+0x0", "3 hits")


# ---- the command line ----

def command_line(build):
    """Options of KD and CDB, exit codes, and wrong options named."""
    image = str(ROOT / build / "tests/debuggee/debuggee.exe")
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        pathlib.Path(d, "script").write_text(".echo from the script\n")
        cases = [
            (["-version"], [], 0, ["Ringside"]),
            (["-?"], [], 0, ["-k", "-z", "-y"]),
            (["-z", image, "-c", ".echo from -c; q"], [], 0, ["from -c"]),
            (["-z", image, "-cf", f"{d}/script"], ["q"], 0, ["from the script"]),
            (["-z", image, "-y", d, "-srcpath", f"{d}/src"], [".sympath", ".srcpath", "q"], 0,
             [f"Symbol search path is: {d}", f"Source search path is: {d}/src"]),
            (["-z", image, "-logo", f"{d}/log"], [".echo logged", "q"], 0, ["logged"]),
            (["-z", image, "-lines"], ["u debuggee!add L1", "q"], 0, ["debuggee.c @ "]),
            (["-z", image, "-xe", "ld", "-x"], ["sx", "q"], 0, ["ld - Load module - break", "av - Access violation - second-chance break"]),
            (["-z", f"{d}/nosuch.exe"], ["q"], None, ["nosuch.exe"]),
            (["-nosuch"], [], 2, ["-nosuch"]),
            (["-z"], [], 2, ["-z"]),
        ]
        for args, commands, want, parts in cases:
            text, code = rs(build, d, args, commands, 60)
            must(code == want if want is not None else code not in (0, None), f"{args}: exit code {code}\n{text[-1500:]}")
            expect(text, *parts)
        expect(pathlib.Path(d, "log").read_text(), "logged")


# ---- a person at a terminal ----

class _Terminal:
    """ringside on a pseudo-terminal."""

    def __init__(self, build, args, env):
        import pty
        pid, self.fd = pty.fork()
        if not pid:
            os.execve(str(ROOT / build / "src/ringside"), ["ringside", *args],
                      dict(os.environ, TERM="xterm", NO_COLOR="1", **env))
        self.pid, self.seen = pid, ""

    def wait(self, text, seconds=30):
        import select
        until = time.time() + seconds
        while text not in self.seen:
            must(time.time() < until, f"no '{text}' on the terminal:\n{self.seen[-2000:]}")
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    must(text in self.seen, f"it ended without '{text}':\n{self.seen[-2000:]}")
        self.seen = self.seen[self.seen.index(text) + len(text):]

    def prompt(self):
        """The editor takes the terminal over right behind the prompt's text."""
        self.wait("kd> ")
        time.sleep(0.5)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def exit_code(self):
        import select
        until = time.time() + 20
        while time.time() < until:
            if select.select([self.fd], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    os.read(self.fd, 65536)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("it does not end")


def terminal_keys(build):
    """Ctrl+C breaks in, TAB completes, history comes back, the control keys act, q ends."""
    with fake(build, "a") as (p, k, d):
        t = _Terminal(build, k, {"HOME": d, "XDG_CACHE_HOME": d, "XDG_STATE_HOME": d})
        t.wait("Waiting to reconnect...")
        time.sleep(1)
        t.type("\x03")
        t.prompt()
        t.type(".sympa\t\r")
        t.wait("Symbol search path is")
        t.prompt()
        t.type("? 6*7\r")
        t.wait("= 00000000`0000002a")
        t.prompt()
        t.type("\x1b[A\r")  # cursor up: the line before
        t.wait("= 00000000`0000002a")
        t.prompt()
        t.type("\x04")
        t.wait("Packet trace is on.")
        t.prompt()
        t.type("\x04")
        t.wait("Packet trace is off.")
        t.prompt()
        t.type("\x0b")
        t.wait("Will breakin on next boot.")
        t.prompt()
        t.type("\x16")
        t.wait("Verbose mode is on.")
        t.prompt()
        t.type("\x12")
        t.wait("Resynchronising")
        t.prompt()
        t.type("g\r")
        time.sleep(0.5)
        t.type("\x03")
        t.prompt()
        t.type("q\r")
        must(t.exit_code() == 0, "exit code")
        must(epilogue(p)["int3"] == 0, "a byte was left")


def ctrl_b_leaves_at_once(build):
    with fake(build, "a") as (p, k, d):
        t = _Terminal(build, k, {"HOME": d, "XDG_CACHE_HOME": d, "XDG_STATE_HOME": d})
        t.wait("Waiting to reconnect...")
        time.sleep(1)
        t.type("\x02")
        t.exit_code()
        text, code = rs(build, d, k + ["-b"], ["r rip", "q"], 60)
        expect(text, "rip=")
