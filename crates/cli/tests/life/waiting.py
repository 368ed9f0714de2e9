# More threads wait in accept than the supervisor has descriptors for: whoever is not put aside is told an errno.
import errno, os, socket, threading, time

listener = socket.create_server(("127.0.0.1", 0))
said = []


def accept():
    try:
        listener.accept()
    except OSError as error:
        said.append(errno.errorcode[error.errno])


for _ in range(60):
    threading.Thread(target=accept, daemon=True).start()
time.sleep(1)
print(len(said) > 0, set(said) <= {"EMFILE", "ENFILE"}, flush=True)
os._exit(0)
