# Fibers over the scheduler of the gem: ten clients of one server, and a refusal.
require "async"
require "socket"

Async do |task|
  server = TCPServer.new("127.0.0.1", 7010)
  serving = task.async do
    10.times.map do
      peer = server.accept
      task.async do
        IO.copy_stream(peer, peer)
        peer.close
      end
    end.each(&:wait)
  end
  sizes = 10.times.map do |n|
    task.async do
      client = TCPSocket.new("127.0.0.1", 7010)
      client.write(n.to_s * 1000)
      client.close_write
      client.read.bytesize
    end
  end
  puts "echoed #{sizes.map(&:wait).sum}"
  serving.wait
  TCPSocket.new("127.0.0.1", 7011)
rescue SystemCallError => error
  puts error.class
end
