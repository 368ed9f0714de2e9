# A TCP echo server with a thread for each connection, and eight clients at once.
require_relative "support"

server = TCPServer.new("127.0.0.1", 7777)
fact "server", server.addr.inspect

acceptor = Thread.new do
  loop do
    Thread.new(server.accept) do |connection|
      while (line = connection.gets)
        connection.write line
      end
      connection.close
    end
  end
end

clients = 8.times.map do |number|
  Thread.new do
    TCPSocket.open("127.0.0.1", 7777) do |socket|
      lines = 100.times.map { |at| "#{number} #{at} #{"x" * (number * at)}\n" }
      echoed = lines.map do |line|
        socket.write line
        socket.gets
      end
      echoed == lines ? digest(echoed.join) : "differs"
    end
  end
end
clients.each_with_index { |client, number| fact "client #{number}", client.value }

# More than any buffer holds: one thread writes, another reads what comes back.
socket = TCPSocket.new("127.0.0.1", 7777)
fact "peer", socket.peeraddr.inspect
text = noise(3 << 20).unpack1("H*").scan(/.{1,1000}/).join("\n") + "\n"
writer = Thread.new do
  socket.write text
  socket.close_write
end
fact "large text", read_all(socket) == text
writer.join
socket.close

acceptor.kill
server.close
fact "after close", outcome { TCPSocket.new("127.0.0.1", 7777) }
