# Children that are killed at odd moments: their ports are free at once, their peers see the end, and nothing is left.
import errno, os, random, signal, socket, sys

rounds = int(sys.argv[1])
random.seed(7)
for number in range(rounds):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        listener = socket.create_server(("127.0.0.1", 8080))
        os.write(told, b"x")
        connection, _ = listener.accept()
        while True:
            connection.recv(1 + number % 3)
    os.read(ready, 1)
    peer = socket.create_connection(("127.0.0.1", 8080))
    peer.settimeout(10)
    for _ in range(random.randrange(4)):
        peer.send(b"text that is not all read")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(told)
    try:
        assert peer.recv(1) == b"", "an end"
    except (ConnectionResetError, BrokenPipeError):
        pass
    refused = socket.socket()
    assert refused.connect_ex(("127.0.0.1", 8080)) == errno.ECONNREFUSED, number
    peer.close()
print("killed", rounds)
