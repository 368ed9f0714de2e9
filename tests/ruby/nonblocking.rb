# The non-blocking calls, and what each says when it would have to wait.
require_relative "support"

server = TCPServer.new("127.0.0.1", 7002)
fact "accept without a connection", outcome { server.accept_nonblock }
fact "the same without exception", server.accept_nonblock(exception: false).inspect

client = Socket.new(:INET, :STREAM)
address = Socket.sockaddr_in(7002, "127.0.0.1")
fact "connect", outcome { client.connect_nonblock(address) }
fact "it completes", !IO.select(nil, [client], nil, 5).nil?
fact "connect again", outcome { client.connect_nonblock(address) }.inspect
fact "and again", outcome { client.connect_nonblock(address) }.inspect
IO.select([server], nil, nil, 5)
connection = server.accept_nonblock
fact "accepted", connection.class

fact "read without text", outcome { connection.read_nonblock(10) }
fact "the same without exception", connection.read_nonblock(10, exception: false).inspect
client.write "abcdef"
IO.select([connection], nil, nil, 5)
fact "read", connection.read_nonblock(4)
fact "rest", connection.read_nonblock(4)

# Until nothing more goes in, also after a moment, then until everything has come out.
written = 0
piece = noise(16_384)
loop do
  sent = client.write_nonblock(piece, exception: false)
  break if sent == :wait_writable && IO.select(nil, [client], nil, 0.3).nil?
  written += sent unless sent == :wait_writable
  raise "there is no end to it" if written > 64 << 20
end
fact "takes more than 32 KiB", written > 32_768
fact "not writable", IO.select(nil, [client], nil, 0).inspect
read = 0
read += connection.readpartial(65_536).size while read < written
fact "all arrived", read == written
fact "writable again", !IO.select(nil, [client], nil, 5).nil?

client.close
IO.select([connection], nil, nil, 5)
fact "end", connection.read_nonblock(10, exception: false).inspect
connection.close

refused = Socket.new(:INET, :STREAM)
first = outcome { refused.connect_nonblock(Socket.sockaddr_in(7003, "127.0.0.1")) }
fact "connect to nobody", first
IO.select(nil, [refused], nil, 5)
error = refused.getsockopt(:SOCKET, :ERROR).int
fact "its error", Errno.constants.find { |name| Errno.const_get(name)::Errno == error }
fact "its error is told once", refused.getsockopt(:SOCKET, :ERROR).int

# EventMachine's and Async's way to accept: many at once until there are no more.
clients = 10.times.map { TCPSocket.new("127.0.0.1", 7002) }
accepted = 0
eventually { server.accept_nonblock(exception: false) == :wait_readable ? accepted == 10 : (accepted += 1) == 10 }
fact "accepted at once", accepted
clients.each(&:close)
