"""asyncio: echoes over both families, datagrams, TLS, sendfile, a refusal."""
import asyncio
import ssl

noise = open("noise", "rb").read()


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def client(host):
    reader, writer = await asyncio.open_connection(host, 7001)

    async def send():
        writer.write(noise)
        await writer.drain()
        writer.write_eof()

    _, back = await asyncio.gather(send(), reader.read())
    writer.close()
    return back == noise


class Reverse(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data[::-1], address)


class Receive(asyncio.DatagramProtocol):
    def __init__(self):
        self.got = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, address):
        self.got.set_result(data)


async def send_file(reader, writer):
    with open("noise", "rb") as file:
        await asyncio.get_running_loop().sendfile(writer.transport, file, fallback=False)
    writer.close()


async def main():
    loop = asyncio.get_running_loop()
    echoes = await asyncio.start_server(echo, ["127.0.0.1", "::1"], 7001)
    print("echoed", sum(await asyncio.gather(*[client(host) for host in ["127.0.0.1", "::1", "localhost"] * 2])))

    await loop.create_datagram_endpoint(Reverse, local_addr=("127.0.0.1", 7002))
    transport, receive = await loop.create_datagram_endpoint(Receive, remote_addr=("127.0.0.1", 7002))
    transport.sendto(b"abc")
    print(await asyncio.wait_for(receive.got, 5))

    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain("cert.pem", "key.pem")
    secret = await asyncio.start_server(echo, "127.0.0.1", 7003, ssl=ours)
    trust = ssl.create_default_context(cafile="cert.pem")
    reader, writer = await asyncio.open_connection("127.0.0.1", 7003, ssl=trust)
    writer.write(noise[:100000])
    print("TLS", await reader.readexactly(100000) == noise[:100000])
    writer.close()

    files = await asyncio.start_server(send_file, "127.0.0.1", 7004)
    reader, writer = await asyncio.open_connection("127.0.0.1", 7004)
    print("sendfile", await reader.read() == noise)
    writer.close()

    try:
        await asyncio.open_connection("127.0.0.1", 7005)
    except ConnectionRefusedError as error:
        print(type(error).__name__)


asyncio.run(main())
