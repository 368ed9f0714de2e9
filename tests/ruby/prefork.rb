# Pre-fork, as Unicorn and Puma do it: workers share one listener, a killed one is replaced, all end in order.
require_relative "support"

WORKERS = 4

server = TCPServer.new("127.0.0.1", 7700)
$stdout.flush

start = lambda do
  fork do
    trap(:TERM) { exit! 0 }
    loop do
      connection = server.accept
      case connection.gets
      when "who\n" then connection.puts Process.pid
      when "hold\n"
        connection.puts Process.pid
        connection.gets
      when "die\n" then Process.kill(:KILL, Process.pid)
      end
      connection.close
    end
  end
end
workers = WORKERS.times.map { start.call }

ask = lambda do |question|
  TCPSocket.open("127.0.0.1", 7700) do |socket|
    socket.puts question
    socket.gets&.to_i
  end
end
hold_all = lambda do
  sockets = WORKERS.times.map { TCPSocket.new("127.0.0.1", 7700).tap { |socket| socket.puts "hold" } }
  busy = sockets.map { |socket| socket.gets.to_i }
  sockets.each(&:close)
  busy.sort == workers.sort
end

fact "answers", 40.times.map { workers.include?(ask.call("who")) }.uniq.inspect
fact "each worker holds one", hold_all.call

fact "a connection of a killed worker", outcome { ask.call("die") }.inspect
dead = Process.wait
fact "killed", $?.termsig
workers[workers.index(dead)] = start.call
fact "replaced", hold_all.call

# The parent is gone from the listener, its workers are not.
server.close
fact "without the parent", workers.include?(ask.call("who"))
workers.each { |worker| Process.kill(:TERM, worker) }
fact "ends", workers.map { |worker| Process.wait2(worker)[1].exitstatus }.uniq.inspect
fact "then nobody listens", outcome { TCPSocket.new("127.0.0.1", 7700) }
fact "the port is free", outcome { TCPServer.new("127.0.0.1", 7700).addr[1] }
