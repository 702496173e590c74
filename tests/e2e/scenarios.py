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
from terminal import Terminal
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
    text, code = rs(build, "/tmp", ["-k", "com:pipe,port=/nonexistent/kd,colour=red"], [], 30)
    expect(text, "colour")
    must(code == 2, text)


def reboot_while_attached(build):
    """The target reboots by itself: said, the link stays, the new one's stop is shown, what is known is the new one's."""
    for variant in "ab":
        with fake(build, variant, "--stopped", "--reboot-after", "300") as (p, k, d):
            text, code = rs(build, d, k[:1] + [k[1] + ",reconnect"], ["bp nt+1800", "g", "bl", "? 1+1", "q"], 60)
            expect(text, "Target rebooted", "Break instruction exception", "Evaluate expression: 2 ")
            must("lost" not in text and code == 0, text)
            must(" e " not in text[text.index("> bl"):], f"a breakpoint by address outlived the boot:\n{text}")


def driver_replacement(build):
    """.kdfiles: the target asks for a driver's file and gets the host's."""
    with tempfile.TemporaryDirectory() as t:
        pathlib.Path(t, "new.sys").write_bytes(bytes(range(256)) * 100)
        pathlib.Path(t, "map.txt").write_text(f"map\nsystem32\\drivers\\toy.sys\n{t}/new.sys\n")
        with fake(build, "a", "--stopped", "--reboot-after", "200", "--file", "\\Systemroot\\system32\\drivers\\toy.sys") as (p, k, d):
            text, code = rs(build, d, k[:1] + [k[1] + ",reconnect"], [f".kdfiles {t}/map.txt", ".kdfiles", "g", "q"], 60)
            expect(text, "KD file associations loaded", f"from {t}/new.sys.", f"length 25600, read 25600, sum {sum(range(256)) * 100}")


def damaged_link(build):
    """1 % of the packets damaged: every answer right, as a session on the good line says."""
    read = ".for (r $t0=0; @$t0 < 0n300; r $t0=@$t0+1) { .cache flushall; r $t1 = (@$t1 * 3) + qwo(nt + (8 * (@$t0 & ff))) }"
    for variant in "ab":
        with fake(build, variant) as (p, k, d):
            sock = k[1].split("port=")[1]
            good, code = rs(build, d, k + ["-b"], ["r $t1=0", read, "? @$t1", "q"])
            must(code == 0, good[-2000:])
            with peer(build, "faultproxy", "--seed", "7", "--rate", "0.01", f"unix:{d}/proxy", f"unixto:{sock}") as (q, _):
                text, code = rs(build, d, ["-k", f"com:pipe,port={d}/proxy", "-b"], ["r $t1=0", read, "? @$t0", "? @$t1", "q"], 300)
                must(code == 0, text[-2000:])
                expect(text, "= 00000000`0000012c", re.search(r"^Evaluate expression: .*", good, re.M).group())
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
                # nt+1800 is code that nothing runs: the kernel does not take that one out by itself
                commands = ["bp nt+1800", f"bp nt+0n{K_WORK}", "bp 140001080", "ba w8 140002000", "g", "g", *leave.split("\n")]
                text, code = rs(build, d, k, commands, 60)
                expect(text, "Breakpoint")
                time.sleep(0.3)
                state = epilogue(p)
                must(state["int3"] == 0, f"{leave}: {state}\n{text[-1500:]}")
                must(state["ticks"] > 0 and state["unhandled"] == 0, str(state))


def killed_and_attached_again(build):
    """kill -9 of the debugger while stopped, running, reading, inserting; then attach again."""
    phases = {
        "stopped": ["bp nt+1800", "bp nt+0n4160", "g"],
        "running": ["bp nt+1800", "bp nt+0n4160 0nffff", "g"],
        "reading": ["bp nt+1800", "bp nt+0n4160", "g", ".while (1) { .cache flushall; .if (by(nt)) { r $t0 = 1 } }"],
        "inserting": ["bp nt+1800", "bp nt+0n4160 \"r $t0 = @$t0 + 1; gc\"", "g"],
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
                expect(text, "rip=", "that a previous debugger left behind")
                must(code == 0, f"{variant} {phase}: {text[-1500:]}")
                time.sleep(0.5)
                state = epilogue(p)
                must(state["int3"] == 0, f"{variant} {phase}: {state}\n{text[-1500:]}")


def interrupted_in_a_storm(build):
    """Ctrl+C in a storm of passed-over hits gives the prompt, wherever it falls."""
    for variant in "ab":
        with fake(build, variant, "--stopped") as (p, k, d):
            with _Session(build, k, d) as s:
                s.say(f"bp nt+0n{K_WORK} \"r $t0 = @$t0 + 1; gc\"")
                for _ in range(25):
                    s.say("g", ".echo stopped")
                    s.wait("kd> g$")
                    time.sleep(0.05)
                    s.p.send_signal(signal.SIGINT)
                    s.wait("^stopped", 20)
                must("still running" not in s.text, s.text[-1500:])
                s.end()
            state = epilogue(p)
            must(state["int3"] == 0 and state["unhandled"] == 0, str(state))


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
        # a target that cannot have breakpoints leaves the file alone
        saved = pathlib.Path(d, "ws").read_text()
        rs(build, d, ["-z", str(ROOT / build / "tests/debuggee/debuggee.exe"), "-W", f"{d}/ws"], ["q"])
        must(pathlib.Path(d, "ws").read_text() == saved, pathlib.Path(d, "ws").read_text())


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

# Seconds. A boot takes three; with twenty others at work on two processors QEMU has had a hundredth of one.
GUEST_PATIENCE = 240

# fscapture is looked for until it is there, and let go on until it writes: then its loader has done its work.
FIND = ("r $t2 = 0; bp0 nt!NtWriteFile",
        ".while (@$t2 == 0) { g; .foreach /pS 1 /ps 100 (p {!process 0 0 fscapture.exe}) { r $t2 = ${p} } }",
        "bc 0", "bp /1 /p @$t2 nt!NtWriteFile", "g", ".process /r /p @$t2")
# Two turns of the program, so that what was planted would have been met.
TURN = ("bp /1 /p @$t2 nt!NtWriteFile", "g")
FRAMES = ".printf \"frames %d\\n\", dwo(fscapture!g_FrameCount)"


@contextlib.contextmanager
def _guest(build, variant, *args):
    """Yields ringside's options and the folder with kd, guest.log, monitor."""
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        with transcript.target(["guest", variant, "--monitor", f"{d}/monitor", *args], build, pathlib.Path(d)) as k:
            out = ROOT / build / "guest" / variant
            yield [*k, "-b", "-y", f"{out / 'pub'};{out}"], d


def _physical_byte(d, address):
    """What is in the guest's memory, by QEMU: no debugger in between."""
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"{d}/monitor")
        s.settimeout(GUEST_PATIENCE)
        s.sendall(f"xp /1xb {address:#x}\n".encode())
        text = ""
        while True:
            text += s.recv(4096).decode(errors="replace")
            m = re.search(r"^0*%x: 0x([0-9a-f]{2})" % address, text, re.M)
            if m:
                return int(m.group(1), 16)


class _Session:
    """ringside with its input held open: what it prints is waited for, and it can be killed."""

    def __init__(self, build, args, d):
        env = dict(os.environ, NO_COLOR="1", TZ="UTC", XDG_CACHE_HOME=d, XDG_STATE_HOME=d)
        self.p = subprocess.Popen([str(ROOT / build / "src/ringside"), *args], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
        os.set_blocking(self.p.stdout.fileno(), False)
        self.text, self.seen = "", 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.p.poll() is None:
            self.p.kill()
        self.p.wait()

    def say(self, *commands):
        self.p.stdin.write(("\n".join(commands) + "\n").encode())
        self.p.stdin.flush()

    def wait(self, pattern, timeout=GUEST_PATIENCE):
        """The match of pattern in what has come since the last wait."""
        until = time.time() + timeout
        while True:
            self.text += (self.p.stdout.read() or b"").decode(errors="replace")
            m = re.compile(pattern, re.M).search(self.text, self.seen)
            if m:
                self.seen = m.end()
                return m
            must(self.p.poll() is None, f"it ended without /{pattern}/:\n{self.text[-3000:]}")
            must(time.time() < until, f"no /{pattern}/:\n{self.text[-3000:]}")
            time.sleep(0.05)

    def kill(self):
        self.p.kill()
        self.p.wait()

    def end(self, timeout=GUEST_PATIENCE):
        self.say("q")
        try:
            code = self.p.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"q does not end it:\n{self.text[-3000:]}") from None
        self.text += (self.p.stdout.read() or b"").decode(errors="replace")
        must(code == 0, f"exit code {code}:\n{self.text[-3000:]}")


def _healthy(build, k, d, *mended):
    """A new debugger: fscapture takes pictures, nothing faults, no byte of ours is met."""
    text, code = rs(build, d, k, [*FIND, FRAMES, *TURN, *TURN, FRAMES, "q"], GUEST_PATIENCE)
    expect(text, *mended)
    frames = [int(n) for n in re.findall(r"^frames (\d+)", text, re.M)]
    must(code == 0 and len(frames) == 2 and frames[1] > frames[0], f"{frames}\n{text[-3000:]}")
    must("Access violation" not in text and "second chance" not in text, text[-3000:])
    hits = text[text.index("frames "):]
    must("Break instruction" not in hits, f"a byte was left:\n{text[-3000:]}")
    return text


def guest_heals_after_a_crash(build):
    """kill -9 in a storm of hits, with a byte of ours in one process's page and another in the kernel."""
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            with _Session(build, k, d) as s:
                s.say(*FIND, "bp /p @$t2 fscapture!CaptureFrame \"r $t5 = @$t5 + 1; .if (@$t5 == 3) { .echo in the storm }; gc\"",
                      "bp nt!NtReadFile \"gc\"", "g")
                s.wait("^in the storm")
                s.kill()
            _healthy(build, k, d, "Mended 1 byte")


def guest_heals_after_a_crash_at_the_prompt(build):
    """kill -9 while the hit of a byte in a process's page is shown; then once more by leaving there."""
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            with _Session(build, k, d) as s:
                s.say(*FIND, "bp /p @$t2 fscapture!CaptureFrame", "g", "!process -1 0", "r rip")
                s.wait("^Breakpoint 0 hit")
                s.wait("Image: fscapture.exe")
                s.wait("^rip=")
                s.kill()
            _healthy(build, k, d, "Mended 1 byte")
            with _Session(build, k, d) as s:
                s.say(*FIND, "bp /p @$t2 fscapture!CaptureFrame", "g")
                s.wait("^Breakpoint 0 hit")
                s.end()
            text = _healthy(build, k, d)
            must("Mended" not in text, text[:3000])


def guest_heals_after_a_crash_with_ubp(build):
    """kill -9 while a byte of !ubp stands in a physical page: the journal mends it and says so."""
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            with _Session(build, k, d) as s:
                s.say(*FIND, "!ubp fscapture!SaveFrame", "!ubl", "!vtop 0 fscapture!SaveFrame")
                page = int(s.wait(r"^Virtual address [0-9a-f`]+ translates to physical address ([0-9a-f`]+)").group(1)
                           .replace("`", ""), 16)
                expect(s.text, "VERY DANGEROUS")
                must(_physical_byte(d, page) == 0xcc, s.text[-3000:])
                s.say("g")
                s.wait("^Break instruction exception")
                s.kill()
            must(_physical_byte(d, page) == 0xcc, "the dead debugger's byte is gone by itself")
            text = _healthy(build, k, d, "Mended 1 byte")
            must(_physical_byte(d, page) != 0xcc, text[-3000:])


def guest_traces_through_a_system_call(build):
    """Steps over and into a system call, to its last instruction and out: user stack, gs and root inside the kernel."""
    for variant, entry, leave in (("a", "KiSystemCall64", "KiSystemServiceExit"),
                                  ("b", "KiSystemCall64Shadow", "KiSystemExitShadow")):
        # One processor: a second one would hit the entry, too, and tell of it after the breakpoint has gone.
        with _guest(build, variant, "--smp", "1") as (k, d):
            with _Session(build, k, d) as s:
                def look(*before):
                    """rip, rsp, rax, and what was shown on the way."""
                    begin = s.seen
                    s.say(*before, ".printf \"at %p %p %p\\n\", @rip, @rsp, @rax")
                    m = s.wait(r"^at ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)")
                    return [int(n, 16) for n in m.groups()], s.text[begin:s.seen]

                def to_the_call():
                    s.say("bp /1 /p @$t2 ntdll!NtWriteFile", "g", "t", "t")
                    s.wait(r"0f05 +syscall")
                    return look()[0]

                s.say(*FIND)
                call, stack, number = to_the_call()
                # The processor clears the trap flag on the way in: without a breakpoint the step ends behind it.
                must(look("t")[0] == [call + 2, stack, 0], s.text[-2000:])
                for trap in "bp", "ba e1":
                    must(to_the_call() == [call, stack, number], s.text[-2000:])
                    there, shown = look(f"{trap} /p @$t2 nt!{entry}", "g")
                    must(f"\nnt!{entry}:" in shown and there[1:] == [stack, number], s.text[-2000:])
                    s.say("bc *")
                    for _ in range(6):  # gs, the root (variant b) and the stack become the kernel's
                        there, shown = look("t")
                    must(there[1] >> 63 and there[2] == number, f"not on the kernel's stack:\n{s.text[-3000:]}")
                    there, shown = look(f"{trap} /p @$t2 nt!{leave}", "g")
                    must(f"\nnt!{leave}:" in shown, s.text[-2000:])
                    s.say("bc *")
                    for _ in range(12):
                        there, shown = look("t")
                        if "sysretq" in shown:
                            break
                    must("sysretq" in shown and there[1:] == [stack, 0], s.text[-3000:])
                    there, shown = look("t")
                    must("\nntdll!NtWriteFile+0xa:" in shown and there == [call + 2, stack, 0], s.text[-2000:])
                s.end()
            _healthy(build, k, d)


def guest_byte_lands_where_it_is_said(build):
    """bp on a user address in another process's view: by QEMU's eyes the byte is in the current process's page."""
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            with _Session(build, k, d) as s:
                s.say(*FIND, "r $t1 = 0",
                      ".foreach /pS 1 /ps 100 (p {!process 0 0 multihasher.exe}) { r $t1 = ${p} }",
                      "bp /1 /p @$t1 nt!NtWriteFile", "g", "!process -1 0")
                s.wait("Image: multihasher.exe")
                pages = []
                for name in ("$t1", "$t2"):
                    s.say(f".process /p @{name}", "!vtop 0 140001400", "db 140001400 L1")
                    pages.append(int(s.wait(r"translates to physical address ([0-9a-f`]+)").group(1).replace("`", ""), 16))
                    s.wait(r"^00000001`40001400  56")
                hasher, capture = pages
                must(hasher != capture, str(pages))
                before = [_physical_byte(d, p) for p in pages]
                must(0xcc not in before, str(before))
                s.say(".reload /user", "bp fscapture!CaptureFrame \"r $t5 = @$t5 + 1; .if (@$t5 == 3) { .echo three hits }; gc\"",
                      "g")
                s.wait("on g the breakpoint lands in multihasher.exe")
                s.wait("^three hits")
                must(_physical_byte(d, hasher) == 0xcc, f"no byte in multihasher's page {hasher:x}\n{s.text[-2000:]}")
                must(_physical_byte(d, capture) == before[1], f"a byte in fscapture's page {capture:x}\n{s.text[-2000:]}")
                s.p.send_signal(signal.SIGINT)
                s.wait("kd> ")
                s.say(".process /p @$t1", "db 140001400 L1", "q")
                s.wait(r"^00000001`40001400  56")
                must(s.p.wait(GUEST_PATIENCE) == 0, s.text[-2000:])
            must([_physical_byte(d, p) for p in pages] == before, "a byte was left")


def guest_waits_for_the_page(build):
    """bp /p where the page is on disk: said, shown by bl, and planted when the page has come."""
    there = "fscapture!g_Calibration+1000"
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            with _Session(build, k, d) as s:
                s.say(*FIND, f"bp /p @$t2 {there}", "bl", f".pagein /p @$t2 {there}", "g", ".process /p @$t2", f"!vtop 0 {there}")
                s.wait("The page is not resident; the breakpoint goes in when it is")
                s.wait(r"Planted in this process only \(page not resident: waiting for it\)")
                page = int(s.wait(r"translates to physical address ([0-9a-f`]+)").group(1).replace("`", ""), 16)
                before = _physical_byte(d, page)
                must(before != 0xcc, "planted at a stop")
                s.say("g")
                until = time.time() + GUEST_PATIENCE
                while _physical_byte(d, page) != 0xcc:
                    must(time.time() < until, f"no byte in the page that came\n{s.text[-2000:]}")
                s.p.send_signal(signal.SIGINT)
                s.say("bl", ".echo end of list")
                begin, end = s.seen, s.wait("^end of list").start()
                shown = s.text[begin:end]
                must("Planted in this process only\n" in shown, shown)
                s.end()
            must(_physical_byte(d, page) == before, "a byte was left")


def guest_shared_page_is_said(build):
    """bp /p in a page that processes share: only that process's hits stop, and bl says that others pass."""
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            with _Session(build, k, d) as s:
                s.say(*FIND, "bp0 /p @$t2 ntdll!NtDelayExecution", "r $t3 = 0; r $t4 = 0",
                      ".for (r $t5 = 0; @$t5 < 4; r $t5 = @$t5 + 1) { g; .if (@$proc != @$t2) { r $t3 = @$t3 + 1 };"
                      " .if (@$ip != ntdll!NtDelayExecution) { r $t4 = @$t4 + 1 } }",
                      ".printf \"others %d, elsewhere %d\\n\", @$t3, @$t4", "bl", ".echo end of list")
                m = s.wait(r"^others (\d+), elsewhere (\d+)")
                must(m.groups() == ("0", "0"), s.text[-3000:])
                s.wait(r"Planted in this process only \(page is shared: hits of other processes are passed over\)")
                s.end()
            _healthy(build, k, d)


def guest_stops_where_it_looks_for_a_break(build):
    """A breakpoint in the kernel's own poll of the port: the processor holds the debugger's lock there."""
    for variant, processors in ("a", 1), ("b", 1), ("a", 2), ("b", 2):
        with _guest(build, variant, "--smp", str(processors)) as (k, d):
            text, code = rs(build, d, k, ["bp nt!kd_poll_break_in", "g", "gu", "t", "g", "bc *", "bp /1 nt!NtWriteFile", "g", "q"],
                            GUEST_PATIENCE)
            must(code == 0, text[-3000:])
            expect(text, "Breakpoint 0 hit\nnt!NtWriteFile:")
            hits = len(re.findall(r"Breakpoint 0 hit\nnt!kd_poll_break_in:", text))
            if processors == 1:
                must(hits == 2, text[-3000:])
                expect(text, "nt!KdCheckForDebugBreak+")
            else:  # the other one may come by while this one goes up
                must(hits >= 2, text[-3000:])


def guest_pages_in(build):
    """.pagein: a page of the paging file that nothing reads comes in, in the process that is looked at."""
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            text, code = rs(build, d, k, [*FIND, "dd fscapture!g_Calibration+1000 L1", ".pagein /p @$t2 fscapture!g_Calibration+1000",
                                          "g", ".process /p @$t2", "dd fscapture!g_Calibration+1000 L1", "dd fscapture!g_Calibration L1",
                                          "q"], GUEST_PATIENCE)
            must(code == 0, text[-3000:])
            before, _, after = text.partition(".pagein /p")
            must("????????" in before[before.index("dd fscapture"):], f"it was there already:\n{text[-3000:]}")
            expect(after, "continue execution (press 'g' <enter>) for the pagein", "Break instruction exception", "ca11b8a8")


def guest_bug_check(build):
    """.crash: the bug check stops twice, .bugcheck shows it, and who attaches afterwards sees it."""
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            with _Session(build, k, d) as s:
                s.say(*FIND, ".bugcheck", ".crash")
                s.wait(r"^Bugcheck code 00000000")
                s.wait(r"^BugCheck E2, \{0, 0, 0, 0\}")
                s.say(".bugcheck", "k", ".crash")
                s.wait(r"^Bugcheck code 000000E2")
                s.wait("nt!KeBugCheckEx")
                s.wait("in a bug check already")
                s.kill()
            text, code = rs(build, d, k, [".bugcheck", "k", "q"], GUEST_PATIENCE)
            expect(text, "A fatal system error has occurred", "Bugcheck code 000000E2", "nt!KeBugCheckEx")
            must(code == 0, text[-3000:])


def guest_reboots_while_attached(build):
    """.reboot: the link stays, the new system is seen with new addresses, a name is found again."""
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            with _Session(build, k, d) as s:
                s.say(*FIND, "bu nt!NtReadFile", "bp nt!NtQuerySystemTime", ".echo base", "? nt", ".reboot")
                old = s.wait(r"^Evaluate expression: .* = (\S+)").group(1)
                s.wait("^The target reboots")
                s.wait("^Breakpoint 1 hit|^Breakpoint 0 hit")
                s.say(".echo now", "? nt", "bl", "lm m nt")
                s.wait("^now")
                new = s.wait(r"^Evaluate expression: .* = (\S+)").group(1)
                must(new != old, s.text[-3000:])
                s.wait("nt!NtReadFile")
                s.say("bc *")
                s.end()
            expect(s.text, "Target rebooted")
            _healthy(build, k, d)


def guest_ntdll_is_shared(build):
    """A breakpoint in ntdll set in explorer hits in notepad: one physical page. Views never show the byte."""
    with _guest(build, "a") as (k, d):
        commands = [
            "r $t1 = 0; bp0 nt!NtWriteFile",
            ".while (@$t1 == 0) { g; .foreach /pS 1 /ps 100 (p {!process 0 0 explorer.exe}) { r $t1 = ${p} } }", "bc 0",
            ".process /i @$t1", "g", ".reload /user",
            "bp ntdll!NtDelayExecution \"r $t3 = 0; .foreach /pS 1 /ps 100 (p {!process 0 0 notepad.exe}) { r $t3 = ${p} };"
            " .if (@$proc == @$t3) { .echo in notepad } .else { gc }\"",
            "g", "!process -1 0", "u ntdll!NtDelayExecution L1", "db ntdll!NtDelayExecution L1", "q"]
        text, code = rs(build, d, k, commands, 120)
        expect(text, "in notepad", "Image: notepad.exe")
        tail = text[text.index("u ntdll!"):]
        must(" cc" not in tail.lower().replace("nt!", ""), tail)


def guest_one_byte_for_two_processes(build):
    """bp /p on one function of ntdll in two processes: the byte in the page that they share is planted once, and stays
    while one of the two wants it."""
    find = "r $t%d = 0; .foreach /pS 1 /ps 100 (p {!process 0 0 %s}) { r $t%d = ${p} }"
    with _guest(build, "a") as (k, d):
        commands = [
            "bp0 nt!NtWriteFile", "r $t1 = 0; r $t2 = 0",
            ".while (@$t1 == 0 | @$t2 == 0) { g; " + find % (1, "explorer.exe", 1) + "; " + find % (2, "notepad.exe", 2) + " }",
            "bc 0", ".process /i @$t1", "g", ".reload /user",
            "bp1 /p @$t1 ntdll!NtDelayExecution", "bp2 /p @$t2 ntdll!NtDelayExecution",
            "r $t4 = 0; .while (@$t4 != 3) { g; .if (@$proc == @$t1) { r $t4 = @$t4 | 1 } .else { r $t4 = @$t4 | 2 } }",
            ".echo both", "bl", "bc 1", "g", "!process -1 0", "bc 2", "q"]
        text, code = rs(build, d, k, commands, 120)
        expect(text, "\nboth\n", "Breakpoint 1 hit", "Breakpoint 2 hit", "Image: notepad.exe")
        must("nable to insert" not in text and "Not inserted" not in text, text[-3000:])


def guest_prints_are_kept(build):
    """!dbgprint: what was printed before we came; after the ring began anew, the older part first; damage is said."""
    for variant in "ab":
        with _guest(build, variant) as (k, d):
            commands = [*FIND, "!dbgprint", ".echo ring",
                        "ea poi(nt!KdPrintCircularBuffer) \"one\"", "ea poi(nt!KdPrintCircularBuffer)+dwo(nt!KdPrintBufferSize)-3 \"two\"",
                        "eq nt!KdPrintWritePointer poi(nt!KdPrintCircularBuffer)+3", "ed nt!KdPrintRolloverCount 1", "!dbgprint",
                        "eq nt!KdPrintWritePointer 1", "!dbgprint", "q"]
            text, code = rs(build, d, k, commands, 120)
            must(code == 0, text[-3000:])
            first, _, then = text[text.index("!dbgprint"):].partition("\nring\n")
            expect(first, "guest: 2 processors")
            expect(then, "twoone\n", "the print buffer is damaged")


def guest_api_example(build):
    with _guest(build, "b") as (k, d):
        r = subprocess.run([str(ROOT / build / "examples/hits"), k[1], "nt!NtWriteFile", "3",
                            str(ROOT / build / "guest/b/pub")], capture_output=True, text=True, timeout=GUEST_PATIENCE)
        must(r.returncode == 0, r.stdout + r.stderr)
        expect(r.stdout, "hit 3 of breakpoint 0: nt!NtWriteFile+0x0", "3 hits")


# ---- the command line ----

def command_line(build):
    """Options of KD and CDB, exit codes, and wrong options named."""
    image = str(ROOT / build / "tests/debuggee/debuggee.exe")
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        pathlib.Path(d, "script").write_text(".echo from the script\n")
        cases = [
            (["-version"], [], 0, ["Ringside 0", "!NoTarget"]),
            (["-?"], [], 0, ["-k", "-z", "-y"]),
            (["-z", image, "-c", ".printf \"%d from -c\\n\", 6*7; q"], [], 0, ["42 from -c"]),
            (["-z", image, "-cf", f"{d}/script"], ["q"], 0, ["from the script"]),
            (["-z", image, "-cfr", f"{d}/script"], ["q"], 0, ["from the script"]),
            (["-z", image, "-y", d, "-srcpath", f"{d}/src"], [".sympath", ".srcpath", "q"], 0,
             [f"Symbol search path is: {d}", f"Source search path is: {d}/src"]),
            (["-z", image, "-i", f"{d}/images"], [".exepath", "q"], 0, [f"Executable image search path is: {d}/images"]),
            (["-z", image, "-logo", f"{d}/log"], [".echo logged", "q"], 0, ["logged"]),
            (["-z", image, "-loga", f"{d}/log"], [".echo appended", "q"], 0, ["appended"]),
            (["-z", image, "-ee", "c++"], [".expr", "q"], 0, ["Current expression evaluator: C++"]),
            (["-z", image, "-n"], ["!sym", "q"], 0, ["- noisy mode"]),
            (["-z", image, "-s"], [".symopt", "q"], 0, ["SYMOPT_", "!SYMOPT_DEFERRED_LOADS"]),
            (["-z", image, "-xi", "av"], ["sx", "q"], 0, ["av - Access violation - ignore"]),
            (["-kl"], [], 1, ["the local kernel is not supported"]),
            (["-z", image, "-k", "com:pipe,port=/nonexistent/kd"], [], 2, ["exclude each other"]),
            (["-z", image, "-lines"], ["u debuggee!add L1", "q"], 0, ["debuggee.c @ "]),
            (["-z", image, "-xe", "ld", "-x"], ["sx", "q"], 0, ["ld - Load module - break", "av - Access violation - second-chance break"]),
            (["-z", image, "-sflags", "0x40"], [".symopt", "q"], 0, ["Symbol options are 0x40:"]),
            (["-z", image, "-sflags", "64"], [".symopt", "q"], 0, ["Symbol options are 0x40:"]),
            (["-z", image, "-ses", "-sicv", "-snc", "-snul", "-sup", "-sdce"], [".symopt", "q"], 0,
             ["SYMOPT_EXACT_SYMBOLS", "SYMOPT_IGNORE_CVREC", "SYMOPT_NO_CPP", "SYMOPT_NO_UNQUALIFIED_LOADS", "SYMOPT_AUTO_PUBLICS"]),
            (["-z", image, "-noshell"], [".shell true", "q"], 0, ["Shell commands are forbidden"]),
            (["-z", image, "-r", "-clines", "50", "-t", "3"], ["q"], 0, ["rax="]),
            (["-z", image, "-logou", f"{d}/log16"], [".echo wide", "q"], 0, ["Opened log file"]),
            (["-remote", "x"], [], 2, ["-remote is not available"]),
            (["-z", f"{d}/nosuch.exe"], ["q"], None, ["nosuch.exe"]),
            (["-nosuch"], [], 2, ["-nosuch"]),
            (["-z"], [], 2, ["-z"]),
        ]
        for args, commands, want, parts in cases:
            text, code = rs(build, d, args, commands, 60)
            must(code == want if want is not None else code not in (0, None), f"{args}: exit code {code}\n{text[-1500:]}")
            expect(text, *[part for part in parts if part[0] != "!"])
            must(not any(part[1:] in text for part in parts if part[0] == "!"), f"{args}: {text[-1500:]}")
        expect(pathlib.Path(d, "log").read_text(), "logged", "appended")
        expect(pathlib.Path(d, "log16").read_bytes().decode("utf-16"), "wide")


def script_after_restart(build):
    """-cfr: the script runs at the first prompt and at the first one after a reboot, -cf only at the first."""
    for option, times in ("-cfr", 2), ("-cf", 1):
        with fake(build, "a", "--stopped", "--reboot-after", "300") as (p, k, d):
            pathlib.Path(d, "script").write_text(".printf \"ran %d\\n\", 1+1\n")
            text, code = rs(build, d, [k[0], k[1] + ",reconnect", option, f"{d}/script"], ["g", "q"], 60)
            must(code == 0 and "Target rebooted" in text, text)
            must(text.count("\nran 2\n") == times, text)


def verbose_option(build):
    """-v: modules that come are told; otherwise a boot would bury everything."""
    for option, told in (["-v"], True), ([], False):
        with fake(build, "a", "--churn-every", "20") as (p, k, d):
            text, code = rs(build, d, k + ["-b", *option], ["sxe ud:churn.sys", "g", "q"], 60)
            must(code == 0 and "Unload module" in text and ("ModLoad:" in text) == told, text)


# ---- a person at a terminal ----

def on_terminal(build, args, d):
    return Terminal(build, args, {"HOME": d, "XDG_CACHE_HOME": d, "XDG_STATE_HOME": d})


def terminal_keys(build):
    """Ctrl+C breaks in, TAB completes, history comes back, the control keys act, q ends."""
    with fake(build, "a") as (p, k, d):
        with on_terminal(build, k, d) as t:
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
            t.type("? 1+1\r")
            t.wait("= 00000000`00000002")
            t.prompt()
            t.type("\x1b[A\x1b[A\r")  # cursor up: not the line before, which ENTER alone repeats, but the one before that
            t.wait("= 00000000`0000002a")
            t.prompt()
            t.type("\x04")
            t.wait("Packet trace is on.")
            t.prompt()
            t.type("rdmsr c0000080\r")
            t.wait("ReadMsr c0000080")
            t.prompt()
            t.type("\x12")
            t.wait("> RESET")
            t.wait("Resynchronising")
            t.prompt()
            t.type("\x04")
            t.wait("Packet trace is off.")
            t.prompt()
            t.type("\x0b")
            t.wait("Will breakin on next boot.")
            t.prompt()
            for state in "on", "off":
                t.type("\x16")
                t.wait(f"Verbose mode is {state}.")
                t.prompt()
            t.type("g\r")
            time.sleep(0.5)
            t.type("\x03")
            t.prompt()
            t.type("q\r")
            must(t.exit_code() == 0, "exit code")
            must(epilogue(p)["int3"] == 0, "a byte was left")


def reboot_break(build):
    """Ctrl+K: the next boot is broken into."""
    with fake(build, "a", "--reboot-after", "1500") as (p, k, d):
        with on_terminal(build, [k[0], k[1] + ",reconnect"], d) as t:
            t.wait("Waiting to reconnect...")
            time.sleep(1)
            t.type("\x03")
            t.prompt()
            t.type("\x0b")
            t.wait("Will breakin on next boot.")
            t.prompt()
            t.type("g\r")
            t.wait("Target rebooted", 60)
            t.wait("Break instruction exception")
            t.prompt()
            t.type("q\r")
            must(t.exit_code() == 0, "exit code")


def terminal_history(build):
    """What was typed in one session comes back in the next."""
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        for keys in ("? 6*7\r", "\x1b[A\x1b[A\r"):
            with on_terminal(build, ["-z", str(ROOT / build / "tests/debuggee/debuggee.exe")], d) as t:
                t.prompt()
                t.type(keys)
                t.wait("= 00000000`0000002a")
                t.prompt()
                t.type("q\r")
                must(t.exit_code() == 0, "exit code")


def second_ctrl_c(build):
    """A target that does not answer: the first Ctrl+C asks for a break, a second one gives the prompt back."""
    with fake(build, "a", "--mute") as (p, k, d):
        with on_terminal(build, k, d) as t:
            t.wait("Waiting to reconnect...")
            time.sleep(1)
            t.type("\x03")
            time.sleep(0.3)
            t.type("\x03")
            t.wait("The target is still running.")
            t.wait("*BUSY*> ")
            time.sleep(0.5)
            t.type("q\r")
            t.exit_code()


def colours(build):
    """On a terminal only, and not if the user does not want them."""
    image = ["-z", str(ROOT / build / "tests/debuggee/debuggee.exe")]
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        env = {"HOME": d, "XDG_CACHE_HOME": d, "XDG_STATE_HOME": d}
        plain = {k: v for k, v in dict(os.environ, **env).items() if k != "NO_COLOR"}
        r = subprocess.run([str(ROOT / build / "src/ringside"), *image], input="r nosuch\nq\n", capture_output=True, text=True,
                           env=plain, timeout=60)
        expect(r.stdout, "Bad register error")
        must("\x1b[" not in r.stdout, "a pipe has colours")
        for no_color, want in ((None, True), ("1", False)):
            with Terminal(build, image, {**env, "NO_COLOR": no_color}) as t:
                t.prompt()
                t.type("r nosuch\r")
                t.wait("r nosuch")
                t.wait("0:000> ")
                shown = t.all[t.all.index("r nosuch"):]  # the editor moves the cursor by sequences that do not end in m
                must("Bad register error" in shown, shown)
                must(bool(re.search(r"\x1b\[[0-9;]+m", shown)) == want, f"NO_COLOR {no_color}: {shown!r}")
                time.sleep(0.5)
                t.type("q\r")
                must(t.exit_code() == 0, "exit code")


def second_ctrl_b_abandons(build):
    """Ctrl+B at the prompt leaves in order; of a target that does not answer a second one abandons it."""
    for first in "\x02", "q\r":
        with fake(build, "a", "--stopped") as (p, k, d):
            with on_terminal(build, k, d) as t:
                t.prompt()
                t.type(".for (r $t0 = 0; @$t0 < 8; r $t0 = @$t0 + 1) { bp nt+0n4160+@$t0*8 }\r")
                t.prompt()
                for _ in range(2):  # the second step lets it run: now they are in its table
                    t.type("p\r")
                    t.prompt()
                p.send_signal(signal.SIGSTOP)
                t.type(first)
                t.wait("Ctrl+B leaves them where they are.")
                must(t.lives(3), "it ended by itself")
                t.type("\x02")
                t.wait("Abandoned", 10)  # without it: 40 seconds
                t.exit_code(10)
                p.send_signal(signal.SIGCONT)
                text, code = rs(build, d, k + ["-b"], ["bl", "q"], 60)
                must(re.search(r"Reclaimed \d breakpoint entries", text), text[-1500:])
                must(code == 0 and epilogue(p)["int3"] == 0, text[-1500:])


def ctrl_b_leaves_at_once(build):
    with fake(build, "a") as (p, k, d):
        with on_terminal(build, k, d) as t:
            t.wait("Waiting to reconnect...")
            time.sleep(1)
            t.type("\x02")
            t.exit_code()
            text, code = rs(build, d, k + ["-b"], ["r rip", "q"], 60)
            expect(text, "rip=")
