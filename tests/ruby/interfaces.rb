# The interfaces of the host: what they are called, and that their addresses are the program's to use.
require_relative "support"

loopback = Socket.getifaddrs.select { |interface| interface.name == "lo" }
fact "the loopback", loopback.map { |interface|
  [interface.ifindex, interface.addr.inspect_sockaddr, interface.netmask&.ip_address, interface.flags.to_s(16)]
}.inspect
fact "its addresses", Socket.ip_address_list.map(&:ip_address).select { |address| %w[127.0.0.1 ::1].include?(address) }.inspect

# Whatever else there is belongs to this host, and to no other.
others = Socket.ip_address_list.reject { |address| address.ipv4_loopback? || address.ipv6_loopback? }
bound = Socket.ip_address_list.map do |address|
  outcome { Addrinfo.udp(address.ip_address, 0).bind { |socket| socket.local_address.ip_address == address.ip_address } }
end
fact "all can be bound", bound.uniq.inspect
fact "one's own, not the machine's", others.all? { |address| %w[10.0.2.15 fd00::15].include?(address.ip_address) || address.ipv6_linklocal? }

# Helpers of the library that ask for all addresses.
Socket.udp_server_sockets(0) { |sockets| fact "a server on each", sockets.size >= 2 }
server = Socket.tcp_server_sockets("127.0.0.1", 0)
fact "for one address", server.size
