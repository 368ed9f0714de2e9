# Both families: sockets that speak both, and clients that try one address after the other.
require_relative "support"

# Serves each connection with what it knows of its client.
def serve(address, port, only: nil)
  server = Socket.new(Addrinfo.ip(address).afamily, :STREAM)
  server.setsockopt(:IPV6, :V6ONLY, only) unless only.nil?
  server.bind(Addrinfo.tcp(address, port))
  server.listen(5)
  Thread.new do
    loop do
      connection, from = server.accept
      connection.puts "#{from.ip_address} #{connection.local_address.ip_address}"
      connection.close
    end
  end
end

# The first of several addresses that answers, each tried for so long.
def connect_to_any(addresses, port, seconds: 0.5)
  failures = addresses.map do |address|
    return Socket.tcp(address, port, connect_timeout: seconds) { |socket| "#{address} after #{failures.inspect}: #{socket.gets}" }
  rescue SystemCallError => error
    error.class.name
  end
  failures.inspect
end

# All addresses at once, a little apart (RFC 8305): the first that is connected wins.
def race(addresses, port)
  sockets = addresses.map do |address|
    Addrinfo.tcp(address, port).then do |target|
      Socket.new(target.afamily, :STREAM).tap { |socket| socket.connect_nonblock(target, exception: false) rescue nil }
    end
  end
  until sockets.empty?
    _, ready, = IO.select(nil, sockets, nil, 2)
    return "nobody" unless ready
    ready.each do |socket|
      return socket.gets if socket.getsockopt(:SOCKET, :ERROR).int.zero? && outcome { socket.remote_address }.is_a?(Addrinfo)
      sockets.delete(socket)
    end
  end
  "nobody"
end

serve "::", 7601, only: false
serve "::", 7602, only: true
serve "0.0.0.0", 7602
serve "127.0.0.1", 7603
serve "::1", 7604
serve "::1", 7605, only: true

fact "dual, by IPv4", Socket.tcp("127.0.0.1", 7601, &:gets)
fact "dual, by IPv6", Socket.tcp("::1", 7601, &:gets)
fact "two sockets, by IPv4", Socket.tcp("127.0.0.1", 7602, &:gets)
fact "two sockets, by IPv6", Socket.tcp("::1", 7602, &:gets)
# Ruby makes its own IPv6 sockets speak IPv6 only.
fact "IPv4 by an IPv6 socket", outcome { Addrinfo.tcp("::ffff:127.0.0.1", 7603).connect }
fact "a datagram so", outcome { Socket.new(:INET6, :DGRAM).tap(&:ipv6only!).send("x", 0, Addrinfo.udp("::ffff:127.0.0.1", 7603)) }
fact "bound so", outcome { Socket.new(:INET6, :STREAM).tap(&:ipv6only!).bind(Addrinfo.tcp("::ffff:127.0.0.1", 0)) }
mapped = Socket.new(:INET6, :STREAM)
mapped.connect(Addrinfo.tcp("::ffff:127.0.0.1", 7603))
fact "unless asked not to", [mapped.local_address.ip_address, mapped.remote_address.ip_address, mapped.gets].inspect
fact "IPv6 only, by IPv4", outcome { Socket.tcp("127.0.0.1", 7605) }

fact "falls back to IPv4", connect_to_any(%w[::1 127.0.0.1], 7603)
fact "falls back to IPv6", connect_to_any(%w[127.0.0.1 ::1], 7604)
fact "no fallback needed", connect_to_any(%w[::1 127.0.0.1], 7604)
fact "nobody", connect_to_any(%w[::1 127.0.0.1], 7606)
fact "race to IPv4", race(%w[::1 127.0.0.1], 7603)
fact "race to IPv6", race(%w[::1 127.0.0.1], 7604)
fact "race to nobody", race(%w[::1 127.0.0.1], 7606)
fact "by name", Socket.tcp("localhost", 7603, &:gets)

# UDP: an IPv6 socket that sends to both.
server = UDPSocket.new(Socket::AF_INET6)
server.bind("::", 7607)
%w[127.0.0.1 ::1].each do |address|
  client = UDPSocket.new(Addrinfo.ip(address).afamily)
  client.send("from #{address}", 0, address, 7607)
  text, from = server.recvfrom(100)
  fact "by UDP", [text, from[3]].inspect
  server.send(text.upcase, 0, from[3], from[1])
  fact "and back", client.recvfrom(100).then { |answer, source| [answer, source[3]].inspect }
end
