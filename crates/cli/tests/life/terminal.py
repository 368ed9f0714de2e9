"""A user at a terminal: an interactive bash on a pseudo-terminal, typed into and read. Arguments: the program portolan, an
engine, and the name of a story below; prints the story's name when all of it came to be."""
import fcntl, os, pty, re, select, signal, struct, sys, tempfile, termios, time

PORTOLAN, ENGINE, STORY = sys.argv[1:]
HERE = os.path.dirname(os.path.abspath(__file__))
RUN = f"{PORTOLAN} run --link none --engine {ENGINE} --"
TICKS = f"{RUN} /usr/bin/python3 -u {HERE}/ticks.py"
# What a wait may take on a machine that is busy.
LIMIT = 20


class Terminal:
    def __init__(self):
        pid, self.fd = pty.fork()
        if pid == 0:
            environment = {"PATH": os.environ["PATH"], "PS1": "outer> ", "TERM": "xterm", "HOME": "/nonexistent", "LC_ALL": "C"}
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], environment)
        self.shell, self.text, self.read = pid, "", 0
        self.wait("outer> ")

    def type(self, text):
        os.write(self.fd, text.encode())

    def do(self, line):
        self.type(line + "\n")

    def look(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                pass

    def wait(self, pattern):
        """Reads on until the pattern has come behind what was waited for last."""
        end = time.monotonic() + LIMIT
        while not (found := re.search(pattern, self.text[self.read:], re.S)):
            if time.monotonic() > end:
                raise SystemExit(f"{STORY}: no {pattern!r}; the terminal showed:\n{self.text}")
            self.look(0.1)
        self.read += found.end()
        return found

    def shell_works(self):
        """The shell has the terminal: it reads a line and answers."""
        self.do("echo answer-$((40+2))")
        self.wait("answer-42\r\n.*outer> ")

    def status(self, expected):
        self.do("echo status=$?")
        self.wait(f"status={expected}\r\n.*outer> ")

    def is_silent(self):
        self.look(0.3)
        self.read = len(self.text)
        before = self.text
        self.look(0.5)
        return self.text == before


def ticking(t):
    t.wait(r"tick \d+\r\n.*tick \d+\r\n")


def stop_and_continue(t):
    t.do(TICKS)
    ticking(t)
    t.type("\x1a")
    t.wait("Stopped.*outer> ")
    t.shell_works()
    assert t.is_silent(), t.text
    t.do("fg")
    ticking(t)
    t.type("\x03")
    t.wait("interrupted\r\n.*portolan: .*outer> ")
    t.status(130)


def background(t):
    t.do(TICKS)
    ticking(t)
    t.type("\x1a")
    t.wait("Stopped.*outer> ")
    t.do("bg")
    ticking(t)
    t.shell_works()
    ticking(t)
    t.do("fg")
    ticking(t)
    t.do("ulimit -c 0")
    t.type("\x1c")
    t.wait("portolan: .*outer> ")
    t.status(131)


def reading_in_the_background(t):
    t.do(f"{RUN} /usr/bin/head -n 1 &")
    t.do("wait -n; echo waited-$((1+1))")
    t.wait("waited-2.*outer> ")
    t.do("jobs")
    t.wait(r"Stopped \(tty input\)|Stopped")
    t.do("fg")
    t.wait("run --link none")
    t.do("a line")
    t.wait("a line\r\n.*a line\r\n.*outer> ")
    t.status(0)


def raw_mode(t):
    t.do(f"{RUN} /usr/bin/python3 -u {HERE}/raw.py")
    t.wait("raw\r\n")
    t.type("\x1a")
    t.wait("Stopped.*outer> ")
    t.do("stty -a | grep -o -e '-*icanon'")
    t.wait("[^-]icanon\r\n.*outer> ")
    t.do("fg")
    t.wait("raw\r\n")
    fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    t.wait("size 33 77")
    t.type("k\x03q")
    t.wait("key 6b.*key 03.*key 71.*outer> ")
    t.status(0)


def editor_and_pager(t):
    folder = tempfile.TemporaryDirectory()
    file = f"{folder.name}/file"
    t.do(f"{RUN} vi -u NONE -N -i NONE {file}")
    t.wait("~")
    t.type("iwritten\x1b\x1a")
    t.wait("Stopped.*outer> ")
    t.shell_works()
    t.do("fg")
    t.wait("~")
    t.type(":wq\r")
    t.wait("portolan: .*outer> ")
    t.do(f"cat {file}")
    t.wait("written\r\n.*outer> ")
    t.do(f"{RUN} less {file}")
    t.wait("END")
    # A signal between less's last look for one and its wait for a key is noticed at the next key only.
    time.sleep(0.5)
    t.type("\x1a")
    t.wait("Stopped.*outer> ")
    t.shell_works()
    t.do("fg")
    t.wait("END")
    t.type("q")
    t.wait("portolan: .*outer> ")


def a_shell_inside(t):
    t.do(f"{RUN} /bin/bash --norc --noprofile --noediting -i")
    t.wait("-i\r\n.*outer> ")
    t.do("PS1='inner'\"> \"")
    t.wait("inner> ")
    t.do("/usr/bin/python3 -u " + HERE + "/ticks.py")
    ticking(t)
    t.type("\x1a")
    t.wait("Stopped.*inner> ")
    assert t.is_silent(), t.text
    t.do("fg")
    ticking(t)
    t.type("\x03")
    t.wait("interrupted\r\n.*inner> ")
    t.do("suspend")
    t.wait("Stopped.*outer> ")
    t.shell_works()
    t.do("fg")
    t.wait("bash")
    t.do("echo inside-$((1+1))")
    t.wait("inside-2\r\n.*inner> ")
    t.do("exit 3")
    t.wait("portolan: .*outer> ")
    t.status(3)


def a_stop_that_is_ignored(t):
    t.do(f"{RUN} /bin/sh -c 'trap \"\" TSTP; echo begun; read line; echo \"heard $line\"'")
    t.wait("begun\r\n")
    t.type("\x1a")
    time.sleep(0.5)
    t.do("on")
    t.wait("heard on\r\n.*outer> ")
    t.status(0)


def pipes(t):
    t.do(f"echo from the pipe | {RUN} /bin/cat | tr a-z A-Z")
    t.wait("FROM THE PIPE\r\n.*outer> ")
    t.do(f"echo more | {TICKS}")
    ticking(t)
    t.type("\x1a")
    t.wait("Stopped.*outer> ")
    t.do("fg")
    ticking(t)
    t.type("\x03")
    t.wait("interrupted\r\n.*outer> ")


def stopped_from_elsewhere(t):
    """By its process, as another terminal would: the command in the background, then `run` itself."""
    t.do(f"{TICKS} &")
    t.wait(r"\[1\] (\d+)")
    ticking(t)
    run = int(t.text[:t.read].rsplit("[1] ", 1)[1].split()[0])
    command = [int(pid) for pid in open(f"/proc/{run}/task/{run}/children").read().split()
               if open(f"/proc/{pid}/comm").read() == "python3\n"][0]
    os.kill(command, signal.SIGSTOP)
    assert t.is_silent(), t.text
    os.kill(command, signal.SIGCONT)
    ticking(t)
    os.kill(run, signal.SIGTSTP)
    assert t.is_silent(), t.text
    os.kill(run, signal.SIGCONT)
    ticking(t)
    os.kill(run, signal.SIGTERM)
    t.do("wait $!")
    t.wait("outer> ")
    t.status(143)


t = Terminal()
try:
    globals()[STORY](t)
    print(STORY)
finally:
    # The hang-up ends whatever is left.
    os.close(t.fd)
    os.kill(t.shell, signal.SIGHUP)
    os.waitpid(t.shell, 0)
