"""End-to-end scenarios on Linux processes: counts that must be exact, processes and debuggers that are
killed, permissions that are missing, files that are damaged.

Each function is one test, as in scenarios.py. The programs are in tests/debuggee/user.
"""
import contextlib
import ctypes
import errno
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

import transcript
from scenarios import _Skip, expect, must
from transcript import ROOT

U = "tests/debuggee/user/user-"
PROMPT = r"^(\d+:\d\d\d|NoTarget)> "


def _path(build, name):
    return str(ROOT / build / name)


def _rs(build, args, commands, timeout=120):
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        return transcript.ringside(build, args, commands, timeout, {"XDG_CACHE_HOME": d, "XDG_STATE_HOME": d})


def _state(pid):
    """R, S, t (traced), T (stopped) ...; empty if there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def _until(what, seconds=20, step=0.05):
    end = time.time() + seconds
    while time.time() < end:
        if what():
            return True
        time.sleep(step)
    return False


@contextlib.contextmanager
def _ticker(build, *args):
    """A program that writes a byte about every millisecond; yields it and a function: does it go on?"""
    p = subprocess.Popen([_path(build, U + "ticker"), *args], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    os.set_blocking(p.stdout.fileno(), False)

    def lives(seconds=20):
        with contextlib.suppress(BlockingIOError):
            while p.stdout.read(65536):
                pass

        def came():
            with contextlib.suppress(BlockingIOError):
                return bool(p.stdout.read(65536))
            return False
        return _until(came, seconds)
    try:
        must(lives(), "ticker does not tick")
        yield p, lives
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


class _Debugger:
    """A session that is talked to; the output comes in a file, so that nothing blocks."""

    def __init__(self, build, *args, user=None):
        self.d = tempfile.TemporaryDirectory(prefix="ringside-")
        env = dict(os.environ, NO_COLOR="1", HOME="/nonexistent-home", XDG_CACHE_HOME=self.d.name, XDG_STATE_HOME=self.d.name)
        self.log = open(self.d.name + "/log", "w+b")
        self.p = subprocess.Popen([_path(build, "src/ringside"), *args], stdin=subprocess.PIPE, stdout=self.log,
                                  stderr=subprocess.STDOUT, env=env)

    def text(self):
        return pathlib.Path(self.d.name + "/log").read_text(errors="replace")

    def say(self, *lines):
        self.p.stdin.write(("\n".join(lines) + "\n").encode())
        self.p.stdin.flush()

    def sees(self, pattern, seconds=40):
        must(_until(lambda: re.search(pattern, self.text(), re.M), seconds), f"no '{pattern}' in:\n{self.text()[-3000:]}")
        return re.search(pattern, self.text(), re.M)

    def end(self, seconds=40):
        with contextlib.suppress(BrokenPipeError):
            self.p.stdin.close()
        return self.p.wait(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()
        self.log.close()
        self.d.cleanup()


# ---- counts ----

def thousand_threads(build):
    """1,000 threads, 8 at a time, each three times through one function: every hit is counted, none is lost."""
    text, code = _rs(build, [_path(build, U + "threads"), "1000", "8"],
                     ["r $t0=0", "bp user_threads!shared \"r $t0=@$t0+1; gc\"", "g", "? @$t0", "q"], 300)
    expect(text, "3000\n", "Evaluate expression: 3000 =")
    must(code == 0, f"exit code {code}")


def thousand_threads_conditions(build):
    """The same with a condition that is never true, pass counts and a breakpoint that is one thread's."""
    text, code = _rs(build, [_path(build, U + "threads"), "1000", "8"],
                     ["bp user_threads!shared \"j (@rdi == 0n1234567) ''; 'gc'\"", "~0 bp user_threads!work", "g", "q"], 300)
    expect(text, "3000\n", "Exit process 0:")
    must("Breakpoint" not in text, text[-2000:])
    text, code = _rs(build, [_path(build, U + "threads"), "1000", "8"],
                     ["bp user_threads!shared 0n2000", "g", "? poi(user_threads!total) < 0n2001", "? poi(user_threads!total) > 0n1980", "bc *", "g", "q"], 300)
    expect(text, "Breakpoint 0 hit", "3000\n")
    must(text.count("Evaluate expression: 1 =") == 2, text[-2000:])


def fork_loop(build):
    """A program that forks 300 times: its children are whole, with and without a breakpoint that they pass."""
    for args in ([], ["-o", "-g"]):
        for how in ("fork", "vfork"):
            text, code = _rs(build, [*args, "-G", _path(build, U + "family"), how, "300"],
                             ["bp user_family!hit \"gc\"", "sxi cpr", "g", "q"] if not args else ["q"], 300)
            must(re.search(r"^300 \d+$", text, re.M), f"{args} {how}: {text[-2000:]}")


def library_a_thousand_times(build):
    """A breakpoint in a library that is loaded and unloaded 1,000 times hits each time."""
    text, code = _rs(build, [_path(build, U + "dlloop"), _path(build, U + "tiny.so"), "1000"],
                     ["sxi ld", "sxi ud", "r $t0=0", "bu user_tiny!tiny \"r $t0=@$t0+1; gc\"", "g", "? @$t0", "bl", "q"], 300)
    expect(text, "Evaluate expression: 1000 =", "500500\n")


def self_modifying_code(build):
    """A program writes over a breakpoint: its own bytes are what runs and what is seen."""
    text, code = _rs(build, [_path(build, U + "selfmod")],
                     ["bp user_selfmod!written", "g", "bp /1 @@masm(poi(user_selfmod!page)) \".echo first; u poi(user_selfmod!page) L1; gc\"",
                      "g", "db poi(user_selfmod!page) L4", "bp poi(user_selfmod!page)", "g", "u @rip L3", "bc *", "g", "q"])
    expect(text, "1 3 2\n", "push    2", "6a 02 58 c3")
    must("int     3" not in text, text)


# ---- files ----

def broken_files(build):
    """Programs that are missing, no programs, not to be executed, damaged: each ends with words and no crash."""
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        for name, content, mode in (("text", b"#no program\n", 0o755), ("empty", b"", 0o755), ("plain", b"\x7fELF", 0o644)):
            path = pathlib.Path(d, name)
            path.write_bytes(content)
            path.chmod(mode)
            text, code = _rs(build, [str(path)], ["q"])
            must(code == 1 and "ringside: cannot" in text, f"{name}: {code} {text}")
        text, code = _rs(build, [d + "/nosuch"], ["q"])
        must(code == 1 and "No such file or directory" in text, text)
        text, code = _rs(build, [d], ["q"])
        must(code == 1 and "ringside: cannot" in text, text)


def damaged_symbols(build):
    """ELF and DWARF with bytes changed all over the file behind the code: the program still runs to a breakpoint by
    address, and whatever is asked for has an answer."""
    original = pathlib.Path(_path(build, U + "hits")).read_bytes()
    text, code = _rs(build, [_path(build, U + "hits"), "3"], ["? user_hits!hit - user_hits", "q"])
    offset = re.search(r"= 00000000`([0-9a-f]{8})", text).group(1)
    begin = struct.unpack_from("<Q", original, 40)[0]  # e_shoff: what only debuggers read lies around it
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        for n in range(12):
            damaged = bytearray(original)
            low = original.find(b".debug_", begin - 4000)
            sections = original.find(b"GNU C")  # in .debug_str or .debug_line_str
            for i in range(40 * (n + 1)):
                at = (min(low, sections) - 8000 + 97 * (n * 41 + i) * (n + 3)) % (len(original) - 0x3200) + 0x3200
                damaged[at] = (damaged[at] * 7 + n + i) & 0xff
            path = pathlib.Path(d, "user-hits")
            path.write_bytes(damaged)
            path.chmod(0o755)
            text, code = _rs(build, [str(path), "3"],
                             ["x user_hits!*", f"bp user_hits+{offset}", "g", "k", "dv", "dt user_hits!*", "ln .", "lsa .", ".reload /f user_hits", "bc *", "g", "q"], 60)
            must(code == 0 and "Exit process 0:" in text and "\n3\n" in text, f"{n}: {code} {text[-2500:]}")
        # cut short: the kernel still loads it, the tables at the end are gone
        path.write_bytes(original[:begin])
        text, code = _rs(build, [str(path), "3"], ["x user_hits!hit", "lm", "g", "q"], 60)
        must(code == 0 and "Exit process 0:" in text, text[-2000:])


def program_of_32_bits(build):
    """A 32-bit program is refused by name."""
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        # mov eax, 1; mov ebx, 5; int 0x80
        body = b"\xb8\x01\x00\x00\x00\xbb\x05\x00\x00\x00\xcd\x80"
        head = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 40, 0, 0)
        head += struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 84 + len(body), 84 + len(body), 5, 4096)
        path = pathlib.Path(d, "small")
        path.write_bytes(head + body)
        path.chmod(0o755)
        text, code = _rs(build, [str(path)], ["g", "q"])
        must(code == 1 and "32-bit" in text, text)


# ---- permissions ----

def nobody_there(build):
    """PIDs that do not exist, are no numbers, are taken already."""
    p = subprocess.Popen(["true"])
    p.wait()
    text, code = _rs(build, ["-p", str(p.pid)], ["q"])
    must(code == 1 and str(p.pid) in text, text)
    text, code = _rs(build, ["-p", "none"], ["q"])
    must(code and "needs a process id" in text, text)
    text, code = _rs(build, ["-pn", "no-such-program-anywhere"], ["q"])
    must(code == 1 and "no-such-program-anywhere" in text, text)
    with _ticker(build) as (t, lives), _Debugger(build, "-p", str(t.pid)) as k:
        k.sees(PROMPT)
        text, code = _rs(build, ["-p", str(t.pid)], ["q"])
        must(code == 1 and "already traced" in text, text)
        k.say("qd")
        k.end()
        must(lives(), "does not run on")


def replaced_files(build):
    """A program whose file was deleted, or replaced by another, is read by what the kernel still has of it; a library, too."""
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        program, library = os.path.join(d, "tock"), os.path.join(d, "lib.so")
        for replace in False, True:
            shutil.copy(_path(build, U + "ticker"), program)
            p = subprocess.Popen([program], stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            try:
                must(_until(lambda: _state(p.pid) == "S"), "does not run")
                os.unlink(program)
                if replace:
                    shutil.copy("/bin/true", program)
                text, _ = _rs(build, ["-p", str(p.pid)], ["lm m tock", "x tock!tick", "bp tock!tick", "g", "k 1", "qd"])
                expect(text, f"   {program}\n", "tock!tick (", "Breakpoint 0 hit", " tock!tick\n")
                must("(deleted)" not in text and p.poll() is None, text)
            finally:
                p.kill()
                p.wait()
        if os.geteuid() and not os.access("/proc/self/map_files", os.X_OK):
            return  # of libraries only root is told
        shutil.copy(_path(build, U + "tlslib.so"), library)
        with _Debugger(build, _path(build, U + "tls"), library) as k:
            k.sees(PROMPT)
            k.say("bp user_tls!stop", "g")
            k.sees("Breakpoint 0 hit")
            shutil.copy(_path(build, U + "tiny.so"), library + "2")
            os.replace(library + "2", library)
            k.say("x lib!used", "q")
            k.sees(r"lib!used \(int\)")
            k.end()


def uninterruptible(build):
    """A process that no signal reaches is said to be one; it is left as it was and runs on later."""
    p = subprocess.Popen([_path(build, U + "family"), "slow", "1"], stdout=subprocess.DEVNULL)
    try:
        children = pathlib.Path(f"/proc/{p.pid}/task/{p.pid}/children")
        must(_until(lambda: children.read_text().split(), 5, 0.005), "no child")
        child = int(children.read_text())
        os.kill(child, signal.SIGSTOP)
        must(_until(lambda: _state(p.pid) == "D" and _state(child) == "T", 5), "the parent does not wait")
        for how in [], ["-pv"]:
            text, _ = _rs(build, [*how, "-p", str(p.pid)], ["q"])
            expect(text, f"process {p.pid} does not stop", "state D")
        os.kill(child, signal.SIGCONT)
        must(p.wait(20) == 0, "did not end as it should")
    finally:
        p.kill()
        p.wait()


def steps_amid_signals(build):
    """Signals that nobody wants to see are no part of a step: handlers run, steps go on behind them; no hit is lost."""
    for args in [], ["ignore"]:
        text, _ = _rs(build, [_path(build, U + "alarm"), *args], [
            "g", "t 2000", ".echo traced", "p 2000", ".echo stepped", "bp user_alarm!work", "g", "bc *", "wt", "pc", "?? handled",
            "r $t0 = @@c++(calls)", "bp user_alarm!work 0n500", "g", "? @@c++(calls) - @$t0", "q"])
        must("user_alarm!handler" not in text and "restore_rt" not in text, text[-3000:])
        expect(text, "traced", "stepped")
        counts = re.findall(r"^ +(\d+) +0 \[  0\] user_alarm!work", text, re.M)
        must(len(counts) == 1 and 30 < int(counts[0]) < 150, text[-3000:])
        handled = int(re.search(r"^long 0n(\d+)", text, re.M)[1])
        must(handled == 0 if args else handled > 3, text[-3000:])
        # the last of 500 hits is before its call is counted
        must(re.search(r"Evaluate expression: (499|500) ", text), text[-3000:])


def musl_thread_locals(build):
    """Thread-local variables of a program and of a library with musl, which does not say where they are."""
    program, library = _path(build, U + "tls-musl"), _path(build, U + "tlslib-musl.so")
    if not os.path.exists(program):
        raise _Skip("no musl-gcc when it was built")
    say = ["?? user_tls_musl!mine", "?? user_tls_musl!place.number", "?? user_tlslib_musl!kept", "?? user_tlslib_musl!two.b", "g"]
    text, _ = _rs(build, [program, library], ["bp user_tls_musl!stop", "g", *say, *say, *say, *say[:-1], "~0s", *say[:-1], "q"])
    must(re.findall(r"^(?:int|long) 0n(\d+)$", text, re.M) == [
        "11", "7", "5", "2", "11", "7", "8", "3",       # the first thread, before and behind use(3)
        "100", "8", "5", "2", "100", "8", "25", "3",    # the second one
        "11", "7", "8", "3"], text)


def no_permission(build):
    """Another user's process: the words say whose it is and what to do."""
    if os.geteuid() or not shutil.which("setpriv"):
        raise _Skip("only root can become somebody else (setpriv)")
    with _ticker(build) as (t, lives), tempfile.TemporaryDirectory(prefix="ringside-") as d:
        copy = pathlib.Path(d, "ringside")
        shutil.copy(_path(build, "src/ringside"), copy)
        os.chmod(d, 0o755)
        r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", str(copy), "-p", str(t.pid)],
                           input=b"q\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, cwd="/", env={"HOME": "/nonexistent-home", "ASAN_OPTIONS": "detect_leaks=0"})
        text = r.stdout.decode(errors="replace")
        must(r.returncode == 1, text)
        expect(text, f"process {t.pid} belongs to user 0 and you are user 65534", "sudo")
        must(lives(), "does not run on")


# ---- limits ----

def debug_registers(build):
    """The fifth data breakpoint is refused with words; the four work."""
    text, code = _rs(build, [_path(build, U + "hits"), "4"],
                     ["ba w8 user_hits!total", *[f"ba w1 user_hits!total+{i + 8:x}" for i in range(4)], "bl", "g", "bc 3", "ba e1 user_hits!hit", "bc 0", "g", "k 1", "q"])
    must(len(re.findall(r"^ \d e ", text.split("bl\n")[1].split("> g")[0], re.M)) == 4, text)
    expect(text, "Breakpoint 0 hit", "user_hits!hit")
    must(re.search(r"ba w1 user_hits!total\+b\n.*\b(4|four)\b", text), text)


# ---- sudden deaths ----

def target_killed(build):
    """kill -9 of the target while it runs and while it stands on a breakpoint, of its first thread or of any: whatever
    is said next, the session tells of the end and ends in order."""
    with _ticker(build) as (t, lives), _Debugger(build, "-p", str(t.pid)) as k:
        k.sees(PROMPT)
        k.say("g")
        must(lives(), "does not run")
        t.kill()
        k.sees(r"^Exit process 0:")
        k.say("q")
        must(k.end() == 0, k.text())
    rounds = [("beat", ["g"]), ("tick", ["g"]), ("beat", ["p"]), ("tick", ["t"]), ("beat", ["r", "k", "db @rip L8", "~", "g"])]
    for n, (name, then) in enumerate(rounds * 2):
        with _ticker(build, "3") as (t, lives), _Debugger(build, "-p", str(t.pid)) as k:
            k.sees(PROMPT)
            k.say(f"bp user_ticker!{name}", "g", ".echo here")
            k.sees(r"^Breakpoint 0 hit")
            k.sees(r"^here$")
            t.kill()
            if n < len(rounds):  # by then every thread is on its way out
                time.sleep(0.05)
            k.say(*then)
            k.sees(r"^Exit process 0:")
            k.say("q")
            must(k.end() == 0, k.text())


def debugger_killed(build):
    """kill -9 of the debugger with a target that it attached to: running over breakpoints, at the prompt, running
    free. The target goes on, and no byte of ours is left in it."""
    for commands, when in ((["bp user_ticker!tick \"gc\"", "g"], None), (["bp user_ticker!tick", "g"], "Breakpoint 0 hit"),
                           (["ba w8 user_ticker!watched \"gc\"", "g"], None), ([], None), (["g"], None)):
        with _ticker(build, "2") as (t, lives), _Debugger(build, "-p", str(t.pid)) as k:
            k.sees(PROMPT)
            k.say(*commands, *(["" ] if not commands else []))
            if when:
                k.sees(when)
            else:
                time.sleep(0.5)
            k.p.kill()
            k.p.wait()
            must(lives(), f"{commands}: dead or stopped, state '{_state(t.pid)}', exit {t.poll()}")
            must(t.poll() is None, f"{commands}: it died, {t.poll()}")
            with _Debugger(build, "-p", str(t.pid)) as again:
                again.sees(PROMPT)
                again.say("u user_ticker!tick L1", "bp user_ticker!tick", "g")
                again.sees("Breakpoint 0 hit")
                must("int     3" not in again.text(), again.text())
                again.say("qd")
                again.end()
            must(lives(), f"{commands}: not left running")


def quit_and_leave(build):
    """q ends what we started and leaves what we attached to; qd leaves both; .detach takes the bytes out."""
    with _ticker(build) as (t, lives):
        text, code = _rs(build, ["-p", str(t.pid)], ["bp user_ticker!tick", "g", "q"])
        must(code == 0 and lives(), text)
        text, code = _rs(build, ["-p", str(t.pid)], ["bp user_ticker!tick", "g", ".detach", "|", "q"])
        must(code == 0 and lives(), text)
    for how, alive in (("q", False), ("qd", True)):
        with tempfile.NamedTemporaryFile() as f:
            command = f"exec {_path(build, U + 'signals')} wait >{f.name} 2>&1 </dev/null"
            text, code = _rs(build, ["/bin/sh", "-c", command], ["sxe cpr", "g", "? @$tpid", how])
            pid = int(re.search(r"Evaluate expression: (\d+) =", text).group(1))
            must(_until(lambda: bool(_state(pid)) == alive, 10), f"{how}: state '{_state(pid)}'\n{text}")
            if alive:
                must(_until(lambda: "ready" in pathlib.Path(f.name).read_text(), 20), "it does not run on")
                os.kill(pid, signal.SIGKILL)


def abandoned(build):
    """.abandon leaves the process stopped, and so does who only looks at it; whoever comes next can let it run."""
    with _ticker(build) as (t, lives):
        text, code = _rs(build, ["-p", str(t.pid)], ["bp user_ticker!tick", "g", ".abandon", "|", "q"])
        expect(text, "Abandoned")
        must(_until(lambda: _state(t.pid) == "T", 10), f"state '{_state(t.pid)}'")
        text, code = _rs(build, ["-p", str(t.pid)], ["r rip", "qd"])
        expect(text, "The process was stopped before.")
        must(_until(lambda: _state(t.pid) == "T", 10), f"left without a go: state '{_state(t.pid)}'")
        os.kill(t.pid, signal.SIGCONT)
        must(lives(), "does not run on")


def call_amid_sleep(build):
    """.call in a thread that sleeps: the interrupted system call goes on afterwards, also when the debugger leaves
    before the function has run, or where it faulted."""
    for commands in ([".call add(2, 3)", "g", ".call text(1)", "g", "qd"], [".call add(2, 3)", "qd"],
                     [".call add(2, 3)", "g", ".call text(0)", ".detach", "q"], [".call fault(0)", "g", "qd"]):
        with subprocess.Popen([_path(build, "tests/debuggee/dwarf/programs/callee"), "slow"], stdout=subprocess.PIPE) as p:
            must(_until(lambda: _state(p.pid) == "S", 10), "it does not sleep")
            text, code = _rs(build, ["-p", str(p.pid)], commands)
            must(code == 0 and (".call returns:\nint 0n5" in text) == (commands[:2] == [".call add(2, 3)", "g"]), text)
            out, _ = p.communicate(timeout=20)
            must(out == b"54 0\n" and p.returncode == 0, f"{commands}: {out}, {p.returncode}")


def calls_amid_hits(build):
    """.call in one thread, again and again, while others come to a breakpoint that lets them pass: every result arrives,
    and the program is as it was."""
    with _ticker(build, "3") as (t, lives):
        text, code = _rs(build, ["-p", str(t.pid)], [
            'bp user_ticker!tick "r $t5 = @$t5 + 1; gc"', "r $t1 = 0",
            ".while (@$t1 < 0n50 | @$t5 < 0n20) { .call user_ticker!beat(@$t1); g; r $t1 = @$t1 + 1 }", "? @$t1", "bc *", "qd"])
        calls = re.search(r"Evaluate expression: (\d+) =", text)
        must(code == 0 and calls and text.count(".call returns:\nvoid") == int(calls[1]) >= 50, text[-3000:])
        must(lives(), "does not run on")


def steps_amid_hits(build):
    """Steps of one thread while others come to a breakpoint that lets them pass: it is that thread which is stepped, one
    instruction after the other, and its own breakpoint does not hit twice."""
    with _ticker(build, "4") as (t, lives):
        text, code = _rs(build, ["-p", str(t.pid)], [
            "bp user_ticker!beat", "g", "u user_ticker!beat L6", 'bp user_ticker!tick "r $t5 = @$t5 + 1; gc"',
            ".while (@$t1 < 0n30 | @$t5 < 0n20) { t 5; g; r $t1 = @$t1 + 1 }", "? @$t1", "bc *", "qd"])
        begin, _, rest = text.partition(".while")
        listed = re.findall(r"^([0-9a-f`]{17}) [0-9a-f]+ ", begin.partition("u user_ticker!beat")[2], re.M)
        walked = re.findall(r"^user_ticker!(?:beat|tick|main).*:\n([0-9a-f`]{17}) ", rest, re.M)
        rounds = re.search(r"Evaluate expression: (\d+) =", rest)
        must(code == 0 and rounds and len(listed) == 6, text[-2000:])
        must(walked == (listed[1:] + listed[:1]) * int(rounds[1]), rest[:3000])
        must(lives(), "does not run on")


def look_only(build):
    """-pv: what runs is looked at, never changed, and runs on afterwards, also when the debugger is killed."""
    with _ticker(build, "2") as (t, lives):
        text, code = _rs(build, ["-pv", "-p", str(t.pid)],
                         ["~", "lm", "k 1", "dq user_ticker!ticks L1", "ed user_ticker!ticks 0", "r rip=0", "bp user_ticker!tick", "g", "q"])
        must(code == 0, text)
        expect(text, "The debugger is not attached, so process execution cannot be monitored.", "user_ticker", "not supported",
               "without a right to change it")
        must(lives(), "does not run on")
        with _Debugger(build, "-pv", "-p", str(t.pid)) as k:
            k.sees(PROMPT)
            must(_state(t.pid) == "t", f"not stopped: {_state(t.pid)}")
            k.p.kill()
            k.p.wait()
        must(lives(), "does not run on after kill -9")


# ---- numbers that are used again ----

def _start_as(pid, args, out, seconds=20):
    """Starts a program under a process number of our choice, when it is free: clone3(2), set_tid."""
    libc = ctypes.PyDLL(None, use_errno=True)  # which keeps Python's lock: nothing else runs in the child
    numbers = (ctypes.c_int * 1)(pid)
    arg = (ctypes.c_uint64 * 11)(0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(numbers), 1, 0)
    end = time.time() + seconds
    while time.time() < end:
        got = libc.syscall(435, arg, ctypes.sizeof(arg))
        if not got:
            try:
                os.dup2(out.fileno(), 1)
                os.execv(args[0], args)
            finally:
                os._exit(127)
        if got > 0:
            return
        if ctypes.get_errno() != errno.EEXIST:
            raise _Skip("only root can choose a process's number")
        time.sleep(0.02)
    raise _Skip(f"the number {pid} stays in use")


def pid_reused(build):
    """Another program under the number of one that was debugged: it is attached to as what it is, nothing of the old
    one's is in it or shown, and the guard of the old one leaves it alone."""
    ended = r"^Exit process 0:.*$"
    with _ticker(build) as (t, lives), _Debugger(build, "-p", str(t.pid)) as k, tempfile.TemporaryFile() as out:
        k.sees(PROMPT)
        k.say("bp user_ticker!tick", "g", ".echo here")
        k.sees(r"^here$")
        t.kill()
        k.say("g")
        k.sees(ended)
        t.wait()
        _start_as(t.pid, [_path(build, U + "signals"), "wait"], out)
        try:
            k.say(f".attach 0n{t.pid}", "g", ".echo there")
            k.sees(r"^there$")
            before = len(k.text())
            k.say("lm", "x user_ticker!tick", "x user_signals!main", "~", ".detach", ".echo end")
            k.sees(r"^end$")
            text = k.text()[before:]
            must("user_signals!main" in text and "user_ticker   " not in text and "user_ticker!tick  " not in text, text)
            must(_until(lambda: _state(t.pid) in ("S", "R"), 10), f"state '{_state(t.pid)}'")
        finally:
            os.kill(t.pid, signal.SIGKILL)
            os.waitpid(t.pid, 0)


def _guard_of(pid):
    """The process that cleans up after a debugger of pid's: it has the memory open and little else."""
    for p in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (p / "comm").read_text() == "ringside-guard\n" and any(os.readlink(f) == f"/proc/{pid}/mem" for f in (p / "fd").iterdir()):
                return int(p.name)
    return 0


def guard_and_pid_reused(build):
    """The debugger is killed amid hits, its guard is slow, and the number is another program's by then: that one keeps
    the affinity that it has."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise _Skip("one processor: no affinity to tell")
    with _ticker(build) as (t, lives), _Debugger(build, "-p", str(t.pid)) as k, tempfile.TemporaryFile() as out:
        k.sees(PROMPT)
        k.say("bp user_ticker!tick 0n100000000", "g")
        must(_until(lambda: len(os.sched_getaffinity(t.pid)) == 1), "not on one processor with the debugger")
        guard = _guard_of(t.pid)
        os.kill(guard, signal.SIGSTOP)
        try:
            k.p.kill()
            k.p.wait()
            t.kill()
            t.wait()
            _start_as(t.pid, [_path(build, U + "signals"), "wait"], out)
            try:
                os.sched_setaffinity(t.pid, {cpus[1]})
                os.kill(guard, signal.SIGCONT)
                must(_until(lambda: not _state(guard), 10), "the guard stays")
                must(os.sched_getaffinity(t.pid) == {cpus[1]}, str(os.sched_getaffinity(t.pid)))
            finally:
                os.kill(t.pid, signal.SIGKILL)
                os.waitpid(t.pid, 0)
        finally:
            with contextlib.suppress(OSError):
                os.kill(guard, signal.SIGCONT)


# ---- keys ----

def ctrl_c_breaks_in(build):
    """Ctrl+C at the debugger breaks into a running target, again and again, and into a storm of hits."""
    with _ticker(build, "2") as (t, lives), _Debugger(build, "-p", str(t.pid)) as k:
        k.sees(PROMPT)
        for n in range(3):
            k.say("g")
            must(lives(), "does not run")
            k.p.send_signal(signal.SIGINT)
            k.say(f".echo stop {n}")
            k.sees(f"^stop {n}", 30)
        must(len(re.findall(r"code 80000003 \(first chance\)", k.text())) >= 4, k.text())
        k.say("bp user_ticker!tick \"gc\"", "g")
        time.sleep(0.5)
        k.p.send_signal(signal.SIGINT)
        k.say(".echo out of the storm")
        k.sees("^out of the storm", 30)
        k.say("qd")
        k.end()
        must(lives(), "does not run on")


def environment_and_terminal(build):
    """The program has the debugger's environment, its directory and its standard streams."""
    env = dict(os.environ, RS_PLACE="here", NO_COLOR="1")
    with tempfile.TemporaryDirectory(prefix="ringside-") as d:
        r = subprocess.run([_path(build, "src/ringside"), "-g", "-G", _path(build, U + "place"), "7", "two words"], input=b"",
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd=d, timeout=60)
        text = r.stdout.decode(errors="replace")
        expect(text, "argument 2: 'two words'", f"directory: /{os.path.basename(d)}", "environment: here", ", code 7")
