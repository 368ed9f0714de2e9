# sendmsg and recvmsg: many parts, control messages, flags.
require_relative "support"

server = Socket.new(:INET, :DGRAM)
server.bind(Addrinfo.udp("0.0.0.0", 7900))
client = Socket.new(:INET, :DGRAM)
to = Addrinfo.udp("127.0.0.1", 7900)
describe = ->(controls) { controls.map { |control| "#{control.level}/#{control.type} #{control.data.unpack1("H*")}" } }

client.sendmsg("without control messages", 0, to)
text, from, flags, *controls = server.recvmsg
fact "plain", [text, from.ip_address, flags & Socket::MSG_TRUNC, describe.(controls)].inspect

# The kernel says which interface: the loopback, number 1.
server.setsockopt(:IP, :PKTINFO, true)
client.sendmsg("where to?", 0, to)
_, _, _, *controls = server.recvmsg
fact "IP_PKTINFO", controls.map { |control| control.ip_pktinfo.then { |address, interface, spec| [address.ip_address, interface, spec.ip_address] } }.inspect
client.sendmsg("where to?", 0, Addrinfo.udp("127.0.0.8", 7900))
_, _, _, *controls = server.recvmsg
fact "another address", controls.map { |control| control.ip_pktinfo.then { |address, _, spec| [address.ip_address, spec.ip_address] } }.inspect
server.setsockopt(:IP, :PKTINFO, false)

server.setsockopt(:IP, :RECVTTL, true)
client.setsockopt(:IP, :TTL, 33)
client.sendmsg("how far?", 0, to)
fact "IP_RECVTTL", describe.(server.recvmsg[3..]).inspect
server.setsockopt(:IP, :RECVTTL, false)

server.setsockopt(:IP, :RECVTOS, true)
client.setsockopt(:IP, :TOS, 0x28)
client.sendmsg("what service?", 0, to)
fact "IP_RECVTOS", describe.(server.recvmsg[3..]).inspect
server.setsockopt(:IP, :RECVTOS, false)

# To be sent with one datagram only.
server.setsockopt(:IP, :RECVTTL, true)
client.sendmsg("once", 0, to, [Socket::IPPROTO_IP, Socket::IP_TTL, [5].pack("i")])
fact "TTL of one", describe.(server.recvmsg[3..]).inspect
client.sendmsg("then", 0, to)
fact "TTL of the next", describe.(server.recvmsg[3..]).inspect
source = Socket::AncillaryData.ip_pktinfo(Addrinfo.ip("127.0.0.42"), 0)
client.sendmsg("from elsewhere", 0, to, source)
fact "source of one", server.recvmsg[1].ip_address
server.setsockopt(:IP, :RECVTTL, false)

server.setsockopt(:SOCKET, :TIMESTAMP, true)
client.sendmsg("when?", 0, to)
_, _, _, *controls = server.recvmsg
fact "SO_TIMESTAMP", controls.map { |control| [control.type, (Time.now - control.timestamp).between?(-1, 10)] }.inspect
server.setsockopt(:SOCKET, :TIMESTAMP, false)

client.sendmsg("0123456789", 0, to)
fact "looked at", server.recvmsg(4, Socket::MSG_PEEK).then { |text, _, flags| [text, flags & Socket::MSG_TRUNC != 0] }.inspect
fact "cut short", server.recvmsg(4).then { |text, _, flags| [text, flags & Socket::MSG_TRUNC != 0] }.inspect
fact "nothing left", outcome { server.recvmsg_nonblock }
fact "unknown control message", outcome { client.sendmsg("x", 0, to, [Socket::IPPROTO_IP, 99, "data"]) }
fact "descriptors", outcome { client.sendmsg("x", 0, to, Socket::AncillaryData.unix_rights($stdin)) }

# IPv6.
server = Socket.new(:INET6, :DGRAM)
server.bind(Addrinfo.udp("::", 7901))
server.setsockopt(:IPV6, :RECVPKTINFO, true)
client = Socket.new(:INET6, :DGRAM)
client.sendmsg("where to?", 0, Addrinfo.udp("::1", 7901))
_, _, _, *controls = server.recvmsg
fact "IPV6_PKTINFO", controls.map { |control| [control.ipv6_pktinfo_addr.ip_address, control.ipv6_pktinfo_ifindex] }.inspect
server.setsockopt(:IPV6, :RECVPKTINFO, false)
server.setsockopt(:IPV6, :RECVHOPLIMIT, true)
client.setsockopt(:IPV6, :UNICAST_HOPS, 44)
client.sendmsg("how far?", 0, Addrinfo.udp("::1", 7901))
fact "IPV6_HOPLIMIT", describe.(server.recvmsg[3..]).inspect

# TCP takes neither addresses nor control messages, and gives none.
listener = TCPServer.new("127.0.0.1", 7902)
client = TCPSocket.new("127.0.0.1", 7902)
connection = listener.accept
fact "TCP sends", client.sendmsg("stream")
text, from, = connection.recvmsg(100)
fact "TCP receives", [text, from.ip?].inspect
client.sendmsg("urgent", Socket::MSG_OOB)
eventually { connection.recv_nonblock(1, Socket::MSG_OOB, exception: false) == "t" rescue false }
fact "before the urgent octet", connection.recv(100)
client.write "to be looked at"
fact "peek", connection.recv(5, Socket::MSG_PEEK)
fact "then read", connection.recv(100)
fact "nothing", outcome { connection.recvmsg_nonblock(10) }
