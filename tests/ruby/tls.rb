# A TLS server, and clients that check its name.
require_relative "support"
require_relative "certificates"

# Answers each connection with the name that was asked for and the protocol that was agreed on.
def serve(port, certificate)
  context = Certificates.context(certificate)
  context.alpn_select_cb = ->(offered) { offered.include?("portolan/1") ? "portolan/1" : offered.first }
  context.servername_cb = ->((socket, name)) { socket.instance_variable_set(:@asked_for, name); nil }
  server = OpenSSL::SSL::SSLServer.new(TCPServer.new("127.0.0.1", port), context)
  Thread.new do
    loop do
      socket = begin
        server.accept
      rescue OpenSSL::SSL::SSLError, SystemCallError
        next
      end
      Thread.new(socket) do |connection|
        while (line = connection.gets)
          connection.puts "#{line.chomp} for #{connection.instance_variable_get(:@asked_for).inspect} by #{connection.alpn_protocol.inspect}"
        end
        connection.close
      rescue OpenSSL::SSL::SSLError, SystemCallError
        connection.close
      end
    end
  end
end

def connect(port, name, protocols: nil, trusted: Certificates.store)
  context = OpenSSL::SSL::SSLContext.new
  context.set_params(cert_store: trusted, verify_mode: OpenSSL::SSL::VERIFY_PEER)
  context.alpn_protocols = protocols if protocols
  socket = OpenSSL::SSL::SSLSocket.new(TCPSocket.new("127.0.0.1", port), context)
  socket.hostname = name unless name.match?(/\A[\d.]+\z/)
  socket.sync_close = true
  socket.connect
  socket.post_connection_check(name)
  socket
end

# What a client has against a server.
def objection(port, name, **options)
  connect(port, name, **options).close
  "none"
rescue OpenSSL::SSL::SSLError => error
  error.message[/hostname .* does not match|certificate verify failed \([^)]*\)/] || error.message
end

serve 7443, Certificates::SERVER
serve 7444, Certificates::EXPIRED
serve 7445, Certificates::STRANGER

socket = connect(7443, "server.test", protocols: %w[other/1 portolan/1])
fact "version", socket.ssl_version
fact "checked", socket.peer_cert.subject
socket.puts "hello"
fact "answer", socket.gets
text = noise(1 << 20).unpack1("H*")
writer = Thread.new { socket.puts text }
fact "much text", socket.gets.start_with?(text)
writer.join
socket.close

fact "by address", objection(7443, "127.0.0.1")
fact "another name", objection(7443, "other.test")
fact "expired", objection(7444, "server.test")
fact "not signed by the authority", objection(7445, "server.test")
fact "nobody trusted", objection(7443, "server.test", trusted: OpenSSL::X509::Store.new)

# Without blocking.
context = OpenSSL::SSL::SSLContext.new
context.cert_store = Certificates.store
raw = TCPSocket.new("127.0.0.1", 7443)
socket = OpenSSL::SSL::SSLSocket.new(raw, context)
waits = 0
begin
  socket.connect_nonblock
rescue IO::WaitReadable
  IO.select([raw], nil, nil, 5)
  (waits += 1) > 100 ? raise : retry
end
fact "handshake has waited", waits.positive?
socket.write_nonblock("again\n")
answer = +""
until answer.end_with?("\n")
  piece = socket.read_nonblock(100, exception: false)
  piece == :wait_readable ? IO.select([raw], nil, nil, 5) : answer << piece
end
fact "answer", answer
raw.close

# A server that speaks no TLS, and one that is gone in the middle of the handshake.
plain = TCPServer.new("127.0.0.1", 7446)
Thread.new { plain.accept.tap { |connection| connection.write("HTTP/1.0 400 Bad Request\r\n\r\n") }.close }
fact "no TLS", begin
  connect(7446, "server.test").close
rescue OpenSSL::SSL::SSLError, SystemCallError => error
  error.message.match?(/wrong version|record layer|reset/) ? "said so" : error.message
end
