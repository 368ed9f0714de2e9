"""A program that takes the terminal's keys one by one, as editors do, and gives the terminal back while it is stopped."""
import os, signal, termios, tty

before = termios.tcgetattr(0)


def on_resize(*_):
    size = os.get_terminal_size(0)
    print("size", size.lines, size.columns, end="\r\n")


signal.signal(signal.SIGWINCH, on_resize)
key = b""
tty.setraw(0)
print("raw", end="\r\n")
while key != b"q":
    key = os.read(0, 1)
    print("key", key.hex(), end="\r\n")
    if key == b"\x1a":
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        os.kill(os.getpid(), signal.SIGTSTP)
        tty.setraw(0)
        print("raw", end="\r\n")
termios.tcsetattr(0, termios.TCSADRAIN, before)
