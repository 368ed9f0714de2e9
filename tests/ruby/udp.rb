# UDP both ways: with and without a connection, empty, cut short, too long, refused.
require_relative "support"

def each_family
  yield Socket::AF_INET, "127.0.0.1"
  yield Socket::AF_INET6, "::1"
end

each_family do |family, loopback|
  server = UDPSocket.new(family)
  server.bind(loopback, 7003)
  client = UDPSocket.new(family)

  fact "no text yet", outcome { server.recvfrom_nonblock(10) }
  client.send("to a server", 0, loopback, 7003)
  text, from = server.recvfrom(100)
  fact "server has", [text, from[0], from[3]].inspect
  server.send("to a client", 0, from[3], from[1])
  text, from = client.recvfrom(100)
  fact "client has", [text, from].inspect

  fact "nowhere", outcome { client.send("?", 0) }
  client.connect(loopback, 7003)
  fact "default destination", client.remote_address.inspect_sockaddr
  client.send("one", 0)
  client.send("", 0)
  client.write("three")
  fact "in order", 3.times.map { server.recvfrom(100)[0] }.inspect

  client.send("0123456789", 0)
  fact "looked at", server.recv(100, Socket::MSG_PEEK)
  fact "cut short", server.recv(4)
  fact "the rest is gone", outcome { server.recv_nonblock(100) }

  client.send(noise(65_507), 0)
  fact "longest", digest(server.recv(70_000)) == digest(noise(65_507))
  fact "too long", outcome { client.send(noise(65_536), 0) }

  # Only datagrams of the one that it is connected to.
  other = UDPSocket.new(family)
  other.bind(loopback, 0)
  other.send("stranger", 0, loopback, client.addr[1])
  server.send("friend", 0, loopback, client.addr[1])
  fact "connected client has", client.recv(100)

  server.close
  # Under `portolan run` nobody is told of a close before it has happened, so that it takes a moment.
  sleep 0.1
  client.send("anybody?", 0)
  fact "refused", outcome { client.recv(100) }
  fact "told once", outcome { client.recv_nonblock(100) }
  client.send("anybody?", 0)
  sleep 0.05
  fact "refused when it sends", outcome { client.send("now?", 0) }
  client.close
  fact "closed", outcome { client.send("?", 0) }
end

# A server on the wildcard address answers from the address that was asked.
server = UDPSocket.new(Socket::AF_INET)
server.bind("0.0.0.0", 7004)
answerer = Thread.new do
  3.times do
    text, from = server.recvfrom(100)
    server.send(text.reverse, 0, from[3], from[1])
  end
end
%w[127.0.0.1 127.0.0.2 127.1.2.3].each do |address|
  client = UDPSocket.new
  # All of 127.0.0.0/8 is this host's, and 127.0.0.1 what it answers from.
  client.connect("127.0.0.1", 7004)
  probe = UDPSocket.new.tap { |socket| socket.connect(address, 7004) }
  fact "to reach #{address} it sends from", probe.local_address.ip_address
  client.send(address, 0)
  fact "asked #{address}", client.recv(100)
end
answerer.join

# Ruby's own loop of a UDP server.
sockets = Socket.udp_server_sockets("127.0.0.1", 7005)
Thread.new do
  Socket.udp_server_loop_on(sockets) { |message, source| source.reply(message.upcase) }
end
client = UDPSocket.new
client.connect("127.0.0.1", 7005)
client.send("loop", 0)
fact "loop", client.recv(100)
