# One thread, IO.select, any number of connections: a server that answers each line in capitals.
require_relative "support"

class Loop
  def initialize(server)
    @server = server
    @unsent = {}
  end

  # Serves until `connections` have come and gone.
  def run(connections)
    gone = 0
    while gone < connections
      waiting = @unsent.reject { |_, octets| octets.empty? }.keys
      readable, writable, = IO.select([@server, *@unsent.keys], waiting, nil, 5)
      raise "nothing happens" unless readable
      writable.each { |socket| flush socket }
      readable.each { |socket| socket == @server ? admit : gone += take(socket) }
    end
  end

  private

  def admit
    @unsent[@server.accept] = +""
  end

  # 1 if the connection has ended, else 0.
  def take(socket)
    @unsent[socket] << socket.readpartial(4096).upcase
    flush socket
    0
  rescue EOFError
    socket.close
    @unsent.delete socket
    1
  end

  def flush(socket)
    sent = socket.write_nonblock(@unsent[socket], exception: false)
    @unsent[socket].slice!(0, sent) unless sent == :wait_writable
  end
end

server = TCPServer.new("::1", 7001)
loop_thread = Thread.new { Loop.new(server).run(20) }

sockets = 20.times.map { TCPSocket.new("::1", 7001) }
sockets.each_with_index { |socket, at| socket.puts "hello from #{at}" }
sockets.reverse.each { |socket| fact "answer", socket.gets }
sockets.each_with_index { |socket, at| socket.write("a" * 50_000 * (at % 3) + "\n") }
fact "long answers", sockets.map { |socket| socket.gets.count("A") }.inspect

fact "idle", IO.select(sockets, nil, nil, 0.05).inspect
ready = IO.select(nil, sockets, nil, 0)
fact "writable", ready[1].size
sockets.each(&:close)
loop_thread.join
fact "served", "all"
