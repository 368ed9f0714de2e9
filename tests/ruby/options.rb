# Socket options: what they are at first, and what reads back after they were set.
require_relative "support"

def show(socket, level, name)
  value = outcome { socket.getsockopt(level, name) }
  fact "#{level} #{name}", value.is_a?(String) ? value : value.data.unpack("l*").inspect
end

def set(socket, level, name, value)
  result = outcome { socket.setsockopt(level, name, value) }
  fact "set #{level} #{name} #{value.inspect}", result
  show socket, level, name
end

%i[INET INET6].each do |family|
  tcp = Socket.new(family, :STREAM)
  fact "a TCP socket of", family
  %i[TYPE ERROR ACCEPTCONN REUSEADDR REUSEPORT KEEPALIVE BROADCAST LINGER OOBINLINE DONTROUTE PRIORITY
     RCVLOWAT SNDLOWAT RCVTIMEO SNDTIMEO].each { |name| show tcp, :SOCKET, name }
  %i[NODELAY KEEPIDLE KEEPINTVL KEEPCNT LINGER2 DEFER_ACCEPT CORK QUICKACK USER_TIMEOUT WINDOW_CLAMP]
    .each { |name| show tcp, :TCP, name }

  [true, false].each do |on|
    %i[REUSEADDR REUSEPORT KEEPALIVE BROADCAST OOBINLINE DONTROUTE].each { |name| set tcp, :SOCKET, name, on }
    set tcp, :TCP, :NODELAY, on
    set tcp, :TCP, :CORK, on
  end
  set tcp, :SOCKET, :RCVBUF, 50_000
  set tcp, :SOCKET, :SNDBUF, 50_000
  set tcp, :SOCKET, :RCVBUF, 1
  set tcp, :SOCKET, :SNDBUF, 1
  set tcp, :SOCKET, :RCVLOWAT, 10
  set tcp, :SOCKET, :PRIORITY, 5
  set tcp, :SOCKET, :LINGER, Socket::Option.linger(true, 7).data
  set tcp, :SOCKET, :RCVTIMEO, [3, 500_000].pack("l!l!")
  set tcp, :SOCKET, :SNDTIMEO, [4, 0].pack("l!l!")
  set tcp, :TCP, :KEEPIDLE, 60
  set tcp, :TCP, :KEEPINTVL, 5
  set tcp, :TCP, :KEEPCNT, 3
  set tcp, :TCP, :KEEPCNT, 1000
  set tcp, :TCP, :SYNCNT, 4
  set tcp, :TCP, :SYNCNT, 0
  set tcp, :TCP, :LINGER2, 30
  set tcp, :TCP, :DEFER_ACCEPT, 5
  set tcp, :TCP, :USER_TIMEOUT, 30_000
  set tcp, :TCP, :MAXSEG, 1000
  set tcp, :TCP, :MAXSEG, 7
  set tcp, :TCP, 9999, 1
  set tcp, 9999, 1, 1
  tcp.close
end

v4 = UDPSocket.new
show v4, :SOCKET, :TYPE
show v4, :SOCKET, :RCVBUF
show v4, :SOCKET, :SNDBUF
%i[TTL TOS MULTICAST_TTL MULTICAST_LOOP RECVTTL RECVTOS PKTINFO MTU_DISCOVER].each { |name| show v4, :IP, name }
set v4, :IP, :TTL, 17
set v4, :IP, :TTL, 0
set v4, :IP, :TTL, 256
set v4, :IP, :TOS, 0x10
set v4, :IP, :MULTICAST_TTL, 3
set v4, :IP, :MULTICAST_LOOP, 0
set v4, :IP, :PKTINFO, true
set v4, :IP, :RECVTTL, true
show v4, :TCP, :NODELAY

v6 = UDPSocket.new(Socket::AF_INET6)
%i[V6ONLY UNICAST_HOPS MULTICAST_HOPS MULTICAST_LOOP RECVPKTINFO RECVHOPLIMIT RECVTCLASS TCLASS]
  .each { |name| show v6, :IPV6, name }
set v6, :IPV6, :V6ONLY, 1
set v6, :IPV6, :UNICAST_HOPS, 9
set v6, :IPV6, :UNICAST_HOPS, -1
set v6, :IPV6, :UNICAST_HOPS, 300
set v6, :IPV6, :TCLASS, 0x20
set v6, :IPV6, :RECVPKTINFO, 1
v6.bind("::", 0)
set v6, :IPV6, :V6ONLY, 0

# A listener's options are its connections'.
server = TCPServer.new("127.0.0.1", 7006)
server.setsockopt(:TCP, :NODELAY, 1)
server.setsockopt(:SOCKET, :KEEPALIVE, 1)
client = TCPSocket.new("127.0.0.1", 7006)
connection = server.accept
fact "inherited NODELAY", connection.getsockopt(:TCP, :NODELAY).bool
fact "inherited KEEPALIVE", connection.getsockopt(:SOCKET, :KEEPALIVE).bool
fact "the listener accepts", server.getsockopt(:SOCKET, :ACCEPTCONN).bool
fact "the connection does not", connection.getsockopt(:SOCKET, :ACCEPTCONN).bool
fact "state in TCP_INFO", client.getsockopt(:TCP, :INFO).data.unpack1("C")
connection.close
client.close
