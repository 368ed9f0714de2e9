# An event loop over epoll: twenty connections to an echo, a datagram, a refusal.
require "eventmachine"

module Echo
  def receive_data(data) = send_data(data)
end

class Client < EM::Connection
  def initialize(size, ended)
    @left = size
    @ended = ended
  end

  def connection_completed = send_data("x" * @left)

  def receive_data(data)
    @left -= data.bytesize
    close_connection if @left <= 0
  end

  def unbind = @ended.call(@left)
end

class Datagram < EM::Connection
  def receive_data(data) = puts(data)
end

class Refused < EM::Connection
  def unbind(why = nil)
    puts why
    EM.stop
  end
end

EM.epoll
EM.run do
  EM.start_server("127.0.0.1", 7001, Echo)
  EM.open_datagram_socket("127.0.0.1", 7003, Echo)
  left = []
  ended = lambda do |missing|
    left << missing
    next unless left.size == 20
    puts "missing #{left.sum}"
    EM.open_datagram_socket("127.0.0.1", 0, Datagram).send_datagram("datagram", "127.0.0.1", 7003)
    EM.add_timer(0.5) { EM.connect("127.0.0.1", 7002, Refused) }
  end
  20.times { EM.connect("127.0.0.1", 7001, Client, 300_000, ended) }
end
