# A port scanner: open, closed and silent ports, each within its time.
require_relative "support"

OPEN = [22, 80, 443, 8080].freeze
SILENT = 9000

listeners = OPEN.map { |port| TCPServer.new("127.0.0.1", port) }

# A listener that accepts nothing and whose queue is full answers no SYN any more.
full = Socket.new(:INET, :STREAM)
full.bind(Addrinfo.tcp("127.0.0.1", SILENT))
full.listen(0)
fillers = 12.times.map do
  Socket.new(:INET, :STREAM).tap { |socket| socket.connect_nonblock(Addrinfo.tcp("127.0.0.1", SILENT), exception: false) }
end
sleep 0.3

def state(port, timeout)
  Socket.tcp("127.0.0.1", port, connect_timeout: timeout) { "open" }
rescue Errno::ECONNREFUSED
  "closed"
rescue Errno::ETIMEDOUT
  "silent"
end

# By threads, as many at a time as there are workers.
queue = Queue.new
[*1..100, *440..445, 8080, SILENT].each { |port| queue << port }
queue.close
found = Queue.new
workers = 16.times.map do
  Thread.new do
    while (port = queue.pop)
      found << [port, state(port, 0.5)]
    end
  end
end
workers.each(&:join)
states = found.size.times.map { found.pop }.to_h
fact "open", states.select { |_, state| state == "open" }.keys.sort.inspect
fact "silent", states.select { |_, state| state == "silent" }.keys.sort.inspect
fact "closed", states.count { |_, state| state == "closed" }

# By one thread with select: all at once, then whoever has answered.
sockets = [*1..100, 443, 8080].to_h do |port|
  socket = Socket.new(:INET, :STREAM)
  begin
    socket.connect_nonblock(Addrinfo.tcp("127.0.0.1", port))
  rescue IO::WaitWritable, Errno::ECONNREFUSED
    nil
  end
  [socket, port]
end
open = []
until sockets.empty?
  _, ready, = IO.select(nil, sockets.keys, nil, 2)
  break unless ready
  ready.each do |socket|
    port = sockets.delete(socket)
    error = socket.getsockopt(:SOCKET, :ERROR).int
    open << port if error.zero? && outcome { socket.remote_address } != "Errno::ENOTCONN"
    socket.close
  end
end
fact "open by select", open.sort.inspect
fact "without an answer", sockets.size

began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
fact "a silent port", state(SILENT, 0.3)
fact "takes its time", (Process.clock_gettime(Process::CLOCK_MONOTONIC) - began).between?(0.25, 1.5)
fact "Timeout.timeout", outcome { Timeout.timeout(0.2) { TCPSocket.new("127.0.0.1", SILENT) } }
