# Half close: each direction ends by itself.
require_relative "support"

server = TCPServer.new("127.0.0.1", 7020)
pair = lambda do
  client = TCPSocket.new("127.0.0.1", 7020)
  [client, server.accept]
end

client, connection = pair.call
client.write "question"
client.close_write
fact "server reads to the end", connection.read
fact "client cannot write", outcome { client.write("more") }
connection.write "answer"
connection.close_write
fact "client reads to the end", client.read
fact "both ended", [outcome { client.readpartial(1) }, outcome { connection.readpartial(1) }].inspect
[client, connection].each(&:close)

client, connection = pair.call
client.shutdown(Socket::SHUT_RD)
fact "nothing to read after SHUT_RD", client.read.inspect
client.write "still writes"
client.close
fact "arrived", connection.read
connection.close

client, connection = pair.call
fact "SHUT_WR twice", [outcome { client.shutdown(:WR) }, outcome { client.shutdown(:WR) }].inspect
fact "SHUT_RDWR", outcome { client.shutdown(:RDWR) }
fact "the other sees the end", connection.read.inspect
[client, connection].each(&:close)

# Waiting readers learn of the end.
client, connection = pair.call
reader = Thread.new { client.read }
sleep 0.05
connection.close
fact "woken", reader.value.inspect
client.close

# A reader that is woken by its own side.
client, connection = pair.call
reader = Thread.new { outcome { client.read } }
sleep 0.05
client.shutdown(:RD)
fact "woken by its own shutdown", reader.value.inspect
[client, connection].each(&:close)

# Much text, then the end: nothing is lost.
client, connection = pair.call
text = noise(2 << 20)
writer = Thread.new do
  connection.write text
  connection.close
end
sleep 0.2
fact "all of it before the end", digest(client.read) == digest(text)
writer.join
client.close

waiting = Thread.new { outcome { server.accept } }
sleep 0.05
server.shutdown(:RDWR)
fact "accept after shutdown", waiting.value
