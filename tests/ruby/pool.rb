# A pool of connections: few are shared by many, broken ones are replaced.
require_relative "support"

class Pool
  attr_reader :opened

  def initialize(size, &open)
    @open = open
    @opened = 0
    @lock = Mutex.new
    @free = Queue.new
    size.times { @free << nil }
  end

  # Lends a connection; one that breaks is not given back.
  def use
    connection = @free.pop
    whole = connection || @lock.synchronize { @opened += 1 } && @open.call
    result = yield whole
    connection = whole
    result
  rescue EOFError, SystemCallError
    connection = nil
    raise
  ensure
    @free << connection
  end
end

server = TCPServer.new("127.0.0.1", 7400)
served = Hash.new(0)
lock = Mutex.new
Thread.new do
  loop do
    Thread.new(server.accept) do |connection|
      while (line = connection.gets)
        lock.synchronize { served[connection] += 1 }
        break connection.close if line == "leave\n"
        connection.puts line.chomp.reverse
      end
    end
  end
end

pool = Pool.new(4) { TCPSocket.new("127.0.0.1", 7400) }
ask = lambda do |text|
  pool.use do |connection|
    connection.puts text
    connection.gets or raise EOFError
  end
end

answers = 32.times.map { |at| Thread.new { 20.times.map { ask.("question #{at}") }.uniq } }
fact "answers", answers.map { |thread| thread.value.size }.uniq.inspect
fact "connections are few", pool.opened <= 4
fact "questions", lock.synchronize { served.values.sum }

before = pool.opened
fact "the server leaves", outcome { ask.("leave") }
fact "the next works", ask.("after").inspect
4.times { ask.("more") }
fact "at most one was replaced", pool.opened - before <= 1

# A connection that was closed while it lay idle is noticed before it is used.
idle = TCPSocket.new("127.0.0.1", 7400)
idle.puts "leave"
IO.select([idle], nil, nil, 5)
fact "an idle connection has ended", idle.read_nonblock(1, exception: false).inspect
