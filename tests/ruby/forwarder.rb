# A forwarder: two IO.copy_stream for each connection, with half close; and copy_stream from and to files.
require_relative "support"
require "stringio"
require "tempfile"

# Carries what comes in at one port to another.
def forward(from, to)
  server = TCPServer.new("127.0.0.1", from)
  Thread.new do
    loop do
      Thread.new(server.accept) do |client|
        upstream = TCPSocket.new("127.0.0.1", to)
        ways = [[client, upstream], [upstream, client]].map do |source, sink|
          Thread.new do
            IO.copy_stream(source, sink)
            sink.close_write
          rescue Errno::EPIPE, Errno::ECONNRESET, Errno::ENOTCONN
            nil
          end
        end
        ways.each(&:join)
        [client, upstream].each(&:close)
      rescue Errno::ECONNREFUSED
        client.close
      end
    end
  end
end

# Answers with the length and the digest of all that came.
target = TCPServer.new("127.0.0.1", 7301)
Thread.new do
  loop do
    Thread.new(target.accept) do |connection|
      text = connection.read
      connection.write("#{text.size} #{digest(text)} ", text)
      connection.close
    end
  end
end
forward 7302, 7301
forward 7303, 7302
forward 7304, 7999

def ask(port, text)
  TCPSocket.open("127.0.0.1", port) do |socket|
    writer = Thread.new do
      socket.write text
      socket.close_write
    end
    answer = socket.read
    writer.join
    length, sum, rest = answer.split(" ", 3)
    [length, sum == digest(text), rest == text].inspect
  end
end

fact "directly", ask(7301, noise(1000))
fact "forwarded", ask(7302, noise(2 << 20))
fact "twice", ask(7303, noise(1 << 20))
fact "empty", ask(7302, "")
fact "ten at once", 10.times.map { |seed| Thread.new { ask(7303, noise(100_000, seed)) } }.map(&:value).uniq.inspect
fact "nobody behind it", TCPSocket.open("127.0.0.1", 7304, &:read).inspect

# Files: sendfile(2) on the way out, splice or read on the way in.
Tempfile.create do |file|
  file.binmode
  file.write noise(3 << 20)
  file.flush
  fact "a file", TCPSocket.open("127.0.0.1", 7301) { |socket|
    file.rewind
    sender = Thread.new do
      IO.copy_stream(file, socket)
      socket.close_write
    end
    Tempfile.create do |copy|
      copy.binmode
      IO.copy_stream(socket, copy)
      sender.join
      copy.rewind
      header = "#{3 << 20} #{digest(noise(3 << 20))} "
      copy.read == header.b + noise(3 << 20)
    end
  }
  fact "a part of a file", TCPSocket.open("127.0.0.1", 7301) { |socket|
    copied = IO.copy_stream(file, socket, 1000, 500)
    socket.close_write
    [copied, socket.read.end_with?(noise(3 << 20)[500, 1000])].inspect
  }
end
fact "a limit", TCPSocket.open("127.0.0.1", 7301) { |socket|
  socket.write "0123456789"
  socket.close_write
  into = StringIO.new
  [IO.copy_stream(socket, into, 3), into.string].inspect
}
