# Threads that wait in every call that can wait; each prints its name, its errno and when it was over.
import errno, os, select, socket, threading, time

lock = threading.Lock()
started = []


def waits(name, call):
    def run():
        try:
            result = call()
            said = "nothing" if result in (None, b"") else str(result)
        except OSError as error:
            said = errno.errorcode.get(error.errno, str(error))
        with lock:
            print(name, said, time.monotonic(), flush=True)

    thread = threading.Thread(target=run)
    thread.start()
    started.append(thread)


listener = socket.create_server(("127.0.0.1", 0))
idle = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
full = socket.create_connection(listener.getsockname())
other, _ = listener.accept()
polled = socket.create_connection(listener.getsockname())
kept, _ = listener.accept()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 0))


def send_without_end():
    while True:
        full.send(b"x" * 65536)


def poll():
    poller = select.poll()
    poller.register(polled, select.POLLIN)
    return bool(poller.poll())


waits("accept", idle.accept)
waits("recv", lambda: client.recv(1))
waits("read", lambda: os.read(server.fileno(), 1))
waits("recvfrom", lambda: datagrams.recvfrom(1))
waits("send", send_without_end)
waits("poll", poll)
waits("connect", lambda: socket.socket().connect(("10.0.2.77", 80)))
time.sleep(0.5)
print("ready", flush=True)
for thread in started:
    thread.join()
try:
    socket.socket().bind(("127.0.0.1", 0))
    print("bind ok", 0, flush=True)
except OSError as error:
    print("bind", errno.errorcode[error.errno], 0, flush=True)
