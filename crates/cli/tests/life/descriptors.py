# A server and a client at their limit of descriptors: told so, and well again when there is room.
import errno, resource, socket

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
address = listener.getsockname()
for _ in range(3):
    held, said = [], None
    while said is None:
        try:
            held.append(socket.create_connection(address))
            held.append(listener.accept()[0])
        except OSError as error:
            said = errno.errorcode[error.errno]
    print(said, len(held) > 20)
    for connection in held:
        connection.close()
    client = socket.create_connection(address)
    # Those that found no room before come first.
    server, peer = listener.accept()
    while peer != client.getsockname():
        server.close()
        server, peer = listener.accept()
    client.send(b"well")
    print(server.recv(4).decode())
    client.close()
    server.close()
