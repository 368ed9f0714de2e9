# A server that binds port 80 as root, becomes an ordinary user, and serves on.
require_relative "support"

NOBODY = 65_534

reader, writer = IO.pipe
child = fork do
  server = TCPServer.new("127.0.0.1", 80)
  secure = UDPSocket.new.tap { |socket| socket.bind("127.0.0.1", 443) }
  Process::Sys.setgid(NOBODY)
  Process::Sys.setuid(NOBODY)
  facts = {
    "user" => Process.uid,
    "another low port" => outcome { TCPServer.new("127.0.0.1", 81).addr[1] },
    "a low port for UDP" => outcome { UDPSocket.new.bind("127.0.0.1", 81) },
    "for a connection" => outcome { Socket.new(:INET, :STREAM).bind(Addrinfo.tcp("127.0.0.1", 1023)) },
    "a high port" => outcome { TCPServer.new("127.0.0.1", 1024).addr[1] },
    "any port" => outcome { TCPServer.new("127.0.0.1", 0).addr[1] >= 1024 },
    "root again" => outcome { Process::Sys.setuid(0) },
    "the old port is still ours" => outcome { TCPServer.new("127.0.0.1", 80).addr[1] },
    "options" => outcome { server.setsockopt(:SOCKET, :REUSEADDR, true) }
  }
  writer.write Marshal.dump(facts)
  writer.close
  3.times do
    connection = server.accept
    connection.write "served by #{Process.uid}: #{connection.gets}"
    connection.close
  end
  text, from = secure.recvfrom(100)
  secure.send(text.upcase, 0, from[3], from[1])
end
writer.close
Marshal.load(reader.read).each { |name, value| fact name, value }

3.times do |at|
  TCPSocket.open("127.0.0.1", 80) do |socket|
    socket.puts "request #{at}"
    fact "answer", socket.read
  end
end
client = UDPSocket.new
client.send("by udp", 0, "127.0.0.1", 443)
fact "answer", client.recv(100)
Process.wait(child)
fact "status", $?.exitstatus
fact "then the port is free", outcome { TCPServer.new("127.0.0.1", 443).addr[1] }
