# What goes wrong, and by which name: ports in use, foreign addresses, descriptors that run out, nobody there.
require_relative "support"

server = TCPServer.new("127.0.0.1", 7500)
fact "port in use", outcome { TCPServer.new("127.0.0.1", 7500) }
fact "by the wildcard", outcome { TCPServer.new("0.0.0.0", 7500) }
fact "another address", outcome { TCPServer.new("127.0.0.2", 7500).addr[3] }
fact "the same for UDP", outcome { UDPSocket.new.tap { |socket| socket.bind("127.0.0.1", 7500) }.addr[1] }
fact "foreign address", outcome { TCPServer.new("192.0.2.1", 7501) }
fact "foreign address of IPv6", outcome { TCPServer.new("2001:db8::1", 7501) }
fact "foreign address for UDP", outcome { UDPSocket.new.bind("192.0.2.1", 7501) }
fact "bound twice", outcome { Socket.new(:INET, :STREAM).tap { |socket| 2.times { socket.bind(Addrinfo.tcp("127.0.0.1", 0)) } } }
fact "nobody", outcome { TCPSocket.new("127.0.0.1", 7502) }
fact "port 0", outcome { TCPSocket.new("127.0.0.1", 0) }
fact "a group", outcome { TCPSocket.new("224.0.0.1", 7500) }
fact "broadcast", outcome { UDPSocket.new.send("x", 0, "127.255.255.255", 7500) }

# A port that a connection has just left: TIME-WAIT.
client = TCPSocket.new("127.0.0.1", 7500)
connection = server.accept
connection.close
client.read
client.close
server.close
plain = Socket.new(:INET, :STREAM)
fact "just left", outcome { plain.bind(Addrinfo.tcp("127.0.0.1", 7500)) }
plain.setsockopt(:SOCKET, :REUSEADDR, true)
fact "with SO_REUSEADDR", outcome { plain.bind(Addrinfo.tcp("127.0.0.1", 7500)) }
fact "listens", outcome { plain.listen(5) }
second = Socket.new(:INET, :STREAM)
second.setsockopt(:SOCKET, :REUSEADDR, true)
fact "while another listens", outcome { second.bind(Addrinfo.tcp("127.0.0.1", 7500)) }
plain.close

shared = 2.times.map do
  Socket.new(:INET, :STREAM).tap do |socket|
    socket.setsockopt(:SOCKET, :REUSEPORT, true)
    socket.bind(Addrinfo.tcp("127.0.0.1", 7503))
    socket.listen(5)
  end
end
fact "SO_REUSEPORT", shared.map { |socket| socket.local_address.ip_port }.inspect
third = Socket.new(:INET, :STREAM)
fact "without it", outcome { third.bind(Addrinfo.tcp("127.0.0.1", 7503)) }

# IPv4 and IPv6 on one port.
fact "both families", outcome { [TCPServer.new("0.0.0.0", 7504), TCPServer.new("::", 7504)].size }
dual = Socket.new(:INET6, :STREAM)
dual.setsockopt(:IPV6, :V6ONLY, false)
dual.bind(Addrinfo.tcp("::", 7505))
dual.listen(5)
fact "IPv4 behind a dual socket", outcome { TCPServer.new("0.0.0.0", 7505) }

# Descriptors run out. What was accepted or opened is kept, or Ruby would collect it and try again.
server = TCPServer.new("127.0.0.1", 7506)
clients = 3.times.map { TCPSocket.new("127.0.0.1", 7506) }
limit = Process.getrlimit(:NOFILE)
used = Dir.children("/proc/self/fd").map(&:to_i).select { |number| number < 256 }.max + 1
Process.setrlimit(:NOFILE, used + 2, limit[1])
held = []
hold = ->(&block) { outcome { held << block.call; held.last.class } }
10.times { hold.call { Socket.new(:INET, :STREAM) } }
fact "a socket", hold.call { Socket.new(:INET, :STREAM) }
fact "a UDP socket", hold.call { UDPSocket.new }
fact "accept", hold.call { server.accept_nonblock }
fact "a server", hold.call { TCPServer.new("127.0.0.1", 0) }
# What exists works on, although nothing can be opened.
fact "an option", outcome { server.setsockopt(:SOCKET, :REUSEADDR, true) }
fact "an address", outcome { server.local_address.ip_port }
held.pop.close
fact "with one free", hold.call { server.accept_nonblock }
fact "and none", hold.call { server.accept_nonblock }
Process.setrlimit(:NOFILE, *limit)
fact "later", hold.call { server.accept_nonblock }
clients.each(&:close)

fact "no such host", begin
  TCPSocket.new("no such host", 80)
rescue SocketError
  "SocketError"
end
