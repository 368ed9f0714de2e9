"""Sends an octet round a connection of its own, again and again, and says so, until it is interrupted."""
import socket, time

listener = socket.create_server(("127.0.0.1", 0))
one = socket.create_connection(listener.getsockname())
other, _ = listener.accept()
number = 0
try:
    while True:
        one.sendall(b"x")
        assert other.recv(1) == b"x"
        number += 1
        print("tick", number)
        time.sleep(0.1)
except KeyboardInterrupt:
    print("interrupted")
    raise
