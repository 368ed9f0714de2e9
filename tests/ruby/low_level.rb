# Socket.new and what lies under the classes: addresses as octets, descriptors, flags.
require_relative "support"

server = Socket.new(Socket::AF_INET, Socket::SOCK_STREAM, 0)
server.setsockopt(Socket::SOL_SOCKET, Socket::SO_REUSEADDR, 1)
fact "before bind", server.local_address.inspect_sockaddr
server.bind(Addrinfo.tcp("127.0.0.1", 7007))
fact "bound", Socket.unpack_sockaddr_in(server.getsockname).inspect
fact "accept before listen", outcome { server.accept_nonblock }
fact "peer of a listener", outcome { server.getpeername }
server.listen(5)

client = Socket.new(:INET, :STREAM, 0)
fact "read before connect", outcome { client.sysread(1) }
fact "peer before connect", outcome { client.getpeername }
fact "shutdown before connect", outcome { Socket.new(:INET, :STREAM, 0).shutdown(:WR) }
fact "connect", client.connect(Socket.pack_sockaddr_in(7007, "127.0.0.1"))
fact "connect twice", outcome { client.connect(Socket.pack_sockaddr_in(7007, "127.0.0.1")) }
connection, address = server.accept
fact "accepted from", address.ip_address
fact "who is who", connection.remote_address == client.local_address && connection.local_address == client.remote_address
fact "sysaccept", begin
  other = Socket.new(:INET, :STREAM, 0)
  other.connect(server.connect_address)
  fd, = server.sysaccept
  Socket.for_fd(fd).class
end

fact "sent", client.send("low level", 0)
fact "received", connection.recvfrom(100).first
connection.syswrite("answer")
fact "waits for all", client.recv(6, Socket::MSG_WAITALL)
fact "flags", outcome { client.recv_nonblock(1) }
fact "close on exec", [server, client, connection].map(&:close_on_exec?).inspect

copy = connection.dup
connection.close
copy.write("through a copy")
fact "copy", client.readpartial(100)
copy.close
fact "end", outcome { client.sysread(1) }
fact "write after the end", outcome { client.syswrite("x") }
eventually { outcome { client.syswrite("x") } == "Errno::EPIPE" }
fact "then", outcome { client.syswrite("x") }
client.close
fact "closed", outcome { client.sysread(1) }
server.close

fact "no such family", outcome { Socket.new(77, :STREAM, 0) }
fact "no such protocol", outcome { Socket.new(:INET, :STREAM, 17) }
fact "no such type", outcome { Socket.new(:INET, 77, 0) }
fact "wrong family", outcome { Socket.new(:INET, :STREAM).connect(Addrinfo.tcp("::1", 7007)) }

# The helpers of the library.
listeners = Socket.tcp_server_sockets("localhost", 7008)
fact "listeners", listeners.map { |socket| socket.local_address.ip_address }.sort.uniq.include?("127.0.0.1")
Thread.new { Socket.accept_loop(listeners) { |socket, _| socket.write("hello"); socket.close } }
fact "tcp", Socket.tcp("127.0.0.1", 7008, &:read)
fact "from a chosen address", Socket.tcp("127.0.0.1", 7008, "127.0.0.9") { |socket| socket.local_address.ip_address }
fact "by address", Addrinfo.tcp("127.0.0.1", 7008).connect(&:read)

datagrams = Socket.new(:INET, :DGRAM)
datagrams.bind(Addrinfo.udp("127.0.0.1", 0))
sender = Socket.new(:INET, :DGRAM)
sender.send("datagram", 0, datagrams.local_address)
text, from, flags = datagrams.recvmsg
fact "recvmsg", [text, from.ip_address, flags & Socket::MSG_TRUNC].inspect
sender.sendmsg("by sendmsg", 0, datagrams.local_address)
fact "recvfrom", datagrams.recvfrom(100).first
