# A chat server: whoever joins hears what the others say.
require_relative "support"

class Chat
  def initialize(port)
    @server = TCPServer.new("127.0.0.1", port)
    @members = {}
    @lock = Mutex.new
  end

  def run
    loop { Thread.new(@server.accept) { |socket| serve socket } }
  end

  private

  def serve(socket)
    name = socket.gets&.chomp
    return socket.close unless name
    taken = @lock.synchronize { @members.key?(name) || !(@members[name] = socket) }
    return (socket.puts "! #{name} is taken"; socket.close) if taken
    tell name, "* #{name} has joined"
    socket.puts "* welcome, #{name}"
    while (line = socket.gets)
      tell name, "#{name}: #{line.chomp}"
    end
  rescue Errno::ECONNRESET
    nil
  ensure
    if taken == false
      @lock.synchronize { @members.delete(name) }
      tell name, "* #{name} has left"
      socket.close
    end
  end

  def tell(from, line)
    others = @lock.synchronize { @members.except(from).values }
    others.each do |socket|
      socket.puts line
    rescue IOError, SystemCallError
      # He has just left; his own thread finds that out.
    end
  end
end

chat = Chat.new(7100)
Thread.new { chat.run }

members = {}
join = lambda do |name|
  members[name] = TCPSocket.new("127.0.0.1", 7100)
  members[name].puts name
  fact "to #{name}", members[name].gets
end
# In each step one speaks and all others listen, so that the order is certain.
say = lambda do |name, line|
  members[name].puts line
  members.except(name).each { |other, socket| fact "to #{other}", socket.gets }
end

%w[anna ben carla].each do |name|
  before = members.keys
  join.(name)
  before.each { |other| fact "to #{other}", members[other].gets }
end
say.("anna", "hello")
say.("ben", "hello, anna")

impostor = TCPSocket.new("127.0.0.1", 7100)
impostor.puts "anna"
fact "to the impostor", impostor.read

members.delete("ben").close
members.each { |other, socket| fact "to #{other}", socket.gets }
# Killed rather than closed: a reset.
carla = members.delete("carla")
carla.setsockopt(Socket::Option.linger(true, 0))
carla.close
fact "to anna", members["anna"].gets
join.("dora")
fact "to anna", members["anna"].gets
100.times { |at| members["anna"].puts "line #{at}" }
fact "to dora", digest(100.times.map { members["dora"].gets }.join)
say.("dora", "x" * 100_000)
