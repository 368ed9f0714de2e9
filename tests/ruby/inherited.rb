# Sockets that other programs get: as standard input and output, by number, over exec, popen and SCM_RIGHTS.
require_relative "support"

server = TCPServer.new("127.0.0.1", 7800)
pair = lambda do
  client = TCPSocket.new("127.0.0.1", 7800)
  [client, server.accept]
end

# inetd's way.
client, connection = pair.call
child = Process.spawn("tr", "a-z", "A-Z", in: connection, out: connection)
connection.close
client.write "by standard input\n"
client.close_write
fact "tr", client.read
Process.wait(child)

client, connection = pair.call
child = Process.spawn("sh", "-c", "read line; echo \"got $line\"; exec cat", in: connection, out: connection)
connection.close
client.write "one\ntwo\n"
client.close_write
fact "sh and cat", client.read.inspect
Process.wait(child)

# A listener by number, as systemd and Unicorn pass it.
RUBY = [RbConfig.ruby, "--disable-gems", "-rsocket", "-e"].freeze
acceptor = 'server = TCPServer.for_fd(Integer(ARGV[0])); c = server.accept; c.puts "#{c.gets.chomp} to #{server.addr[1]}"'
child = Process.spawn(*RUBY, acceptor, server.fileno.to_s, server => server)
client = TCPSocket.new("127.0.0.1", 7800)
client.puts "a listener"
fact "accepted by another program", client.gets
Process.wait(child)
client.close

# exec in place: the connection outlives the program that made it.
child = fork do
  socket = TCPSocket.new("127.0.0.1", 7800)
  socket.close_on_exec = false
  exec(*RUBY, 's = TCPSocket.for_fd(Integer(ARGV[0])); s.puts "after exec"; puts s.gets; puts s.peeraddr[1]',
       socket.fileno.to_s, close_others: false)
end
connection = server.accept
fact "after exec", connection.gets
connection.puts "heard"
Process.wait(child)
connection.close

# popen: a command between two sockets.
client, connection = pair.call
client.write "b\nc\na\n"
client.close_write
fact "popen", IO.popen(["sort"], in: connection, &:read).inspect
[client, connection].each(&:close)

# SCM_RIGHTS.
mine, theirs = UNIXSocket.pair
client, connection = pair.call
child = fork do
  mine.close
  socket = theirs.recv_io(TCPSocket)
  socket.puts "passed to another process, #{socket.peeraddr[3]}"
  socket.close
end
theirs.close
mine.send_io(connection)
connection.close
fact "passed", client.read
Process.wait(child)

mine, theirs = UNIXSocket.pair
datagrams = UDPSocket.new.tap { |socket| socket.bind("127.0.0.1", 7801) }
child = fork do
  socket = theirs.recv_io(UDPSocket)
  text, from = socket.recvfrom(100)
  socket.send(text.reverse, 0, from[3], from[1])
end
mine.send_io(datagrams)
datagrams.close
client = UDPSocket.new
client.send("datagram", 0, "127.0.0.1", 7801)
fact "a UDP socket passed", client.recv(100)
Process.wait(child)

# fork: both processes hold the connection, and it ends with the second.
client, connection = pair.call
child = fork do
  connection.write "from the child, "
  connection.close
end
Process.wait(child)
connection.write "from the parent"
connection.close
fact "two writers", client.read

# Close on exec closes.
client, connection = pair.call
child = Process.spawn("sleep", "5")
connection.close
fact "not held by a stranger", client.read.inspect
Process.kill(:KILL, child)
Process.wait(child)
