"""Ringside on a pseudo-terminal, and somebody who types."""
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROMPT = re.compile(r"(\d+: )?(kd|\d:\d\d\d)> $")


class Terminal:
    def __init__(self, build, args, env):
        pid, self.fd = pty.fork()
        if not pid:
            leaks = f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0"
            env = dict(os.environ, TERM="xterm", LSAN_OPTIONS=leaks, **{"NO_COLOR": "1", **env})
            os.execve(str(ROOT / build / "src/ringside"), ["ringside", *args], {k: v for k, v in env.items() if v is not None})
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.pid, self.seen, self.all = pid, "", ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self, seconds):
        """What has come; False at the end."""
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                text = os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                return False
            self.seen += text
            self.all += text
        return True

    def until(self, arrived, what, seconds):
        until = time.time() + seconds
        while not arrived():
            if time.time() > until or not (self.read(0.05) or arrived()):
                raise AssertionError(f"no {what} on the terminal:\n{self.seen[-2000:]}")

    def wait(self, text, seconds=30):
        self.until(lambda: text in self.seen, f"'{text}'", seconds)
        self.seen = self.seen[self.seen.index(text) + len(text):]

    def editing(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def prompt(self, seconds=30):
        """The prompt stands there, and the editor has the terminal, which it takes over right behind the text."""
        self.until(lambda: PROMPT.search(self.text(self.seen)), "prompt", seconds)
        self.until(self.editing, "editor", seconds)
        self.seen = ""

    def away(self, seconds=30):
        """The editor does not have the terminal."""
        self.until(lambda: not self.editing(), "end of editing", seconds)

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def lives(self, seconds):
        """It does not end within that time."""
        time.sleep(seconds)
        if os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = 0
        return bool(self.pid)

    def exit_code(self, seconds=20):
        until = time.time() + seconds
        while time.time() < until:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while select.select([self.fd], [], [], 0)[0] and self.read(0):
                    pass
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
        raise AssertionError("it does not end")

    @staticmethod
    def text(raw):
        """Without what moves the cursor."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", raw)
