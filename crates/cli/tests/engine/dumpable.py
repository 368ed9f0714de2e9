"""A process that nobody may look at, as ssh-agent is: its sockets in the file system and its network both work."""
import ctypes
import os
import socket

PR_SET_DUMPABLE = 4
assert ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0


def pair():
    one, other = socket.socketpair()
    one.sendmsg([b"pair"])
    return other.recvmsg(10)[0]


def datagrams(path):
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(path)
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.sendto(b"sendto ", path)
    sender.sendmsg([b"sendmsg ", b"in parts"], [], 0, path)
    sender.connect(path)
    sender.send(b" connect")
    return b"".join(receiver.recv(20) for _ in range(3))


def stream(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    server, _ = listener.accept()
    client.send(b"stream")
    return server.recv(10)


def network():
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    client.send(b"network")
    return server.recv(10)


print(pair().decode())
print(datagrams(os.path.join(os.getcwd(), "d")).decode())
print(stream(os.path.join(os.getcwd(), "s")).decode())
print(network().decode())
