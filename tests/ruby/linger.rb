# What closing means: with SO_LINGER, with text unread, with text unsent.
require_relative "support"

server = TCPServer.new("127.0.0.1", 7021)
pair = lambda do
  client = TCPSocket.new("127.0.0.1", 7021)
  [client, server.accept]
end
linger = ->(socket, on, seconds) { socket.setsockopt(Socket::Option.linger(on, seconds)) }

client, connection = pair.call
fact "at first", client.getsockopt(:SOCKET, :LINGER).linger.inspect
linger.(client, true, 0)
fact "set", client.getsockopt(:SOCKET, :LINGER).linger.inspect
client.close
IO.select([connection], nil, nil, 5)
fact "with zero seconds the other sees", outcome { connection.readpartial(1) }
fact "and then", outcome { connection.readpartial(1) }
connection.close

# With text on its way the reset overtakes it, or does not: only the end is certain.
client, connection = pair.call
linger.(connection, true, 0)
connection.close
IO.select([client], nil, nil, 5)
fact "from the accepted side", outcome { client.readpartial(1) }
fact "writing then", outcome { client.write("x") }
client.close

client, connection = pair.call
linger.(client, true, 5)
client.write "text"
began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
client.close
fact "close waits no longer than needed", Process.clock_gettime(Process::CLOCK_MONOTONIC) - began < 2
fact "text arrived", connection.read
connection.close

# The other side takes nothing, so that close waits its time out.
client, connection = pair.call
connection.setsockopt(:SOCKET, :RCVBUF, 4096)
client.setsockopt(:SOCKET, :SNDBUF, 4096)
sent = 0
until (taken = client.write_nonblock(noise(65_536), exception: false)) == :wait_writable
  sent += taken
end
linger.(client, true, 1)
began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
client.close
took = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
fact "close waits for its time", took.between?(0.9, 3)
connection.close

# Closing with text unread is a reset.
client, connection = pair.call
connection.write "never read"
IO.select([client], nil, nil, 5)
client.close
IO.select([connection], nil, nil, 5)
fact "unread text", outcome { connection.readpartial(1) }
connection.close

# Without SO_LINGER what was written before close arrives in the background.
client, connection = pair.call
text = noise(1 << 20)
writer = Thread.new do
  client.write text
  client.close
end
fact "in the background", digest(connection.read) == digest(text)
writer.join
connection.close
