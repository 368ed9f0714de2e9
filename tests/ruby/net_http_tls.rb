# Net::HTTP with TLS against a small server of our own: one connection for many requests, redirects, bodies, refusals.
require_relative "support"
require_relative "certificates"
require "net/http"
require "webrick"
require "webrick/https"

server = WEBrick::HTTPServer.new(
  BindAddress: "127.0.0.1", Port: 8443, SSLEnable: true, SSLCertificate: Certificates::SERVER,
  SSLPrivateKey: Certificates::KEY, Logger: WEBrick::Log.new(File::NULL), AccessLog: []
)
connections = Hash.new(0)
server.mount_proc("/count") do |request, response|
  connections[request.peeraddr[1]] += 1
  response.body = connections[request.peeraddr[1]].to_s
end
server.mount_proc("/noise") { |_, response| response.body = noise(2 << 20) }
server.mount_proc("/echo") { |request, response| response.body = request.body }
server.mount_proc("/moved") { |_, response| response.set_redirect(WEBrick::HTTPStatus::Found, "/count") }
server.mount_proc("/chunks") do |_, response|
  response.chunked = true
  response.body = proc { |out| 5.times { |at| out.write("chunk #{at}\n") } }
end
server.mount_proc("/slow") { |_, response| sleep 2; response.body = "late" }
thread = Thread.new { server.start }

http = Net::HTTP.new("server.test", 8443)
http.ipaddr = "127.0.0.1"
http.use_ssl = true
http.cert_store = Certificates.store
http.start do
  fact "keep-alive", 3.times.map { http.get("/count").body }.inspect
  fact "large", digest(http.get("/noise").body) == digest(noise(2 << 20))
  fact "posted", http.post("/echo", "x" * 200_000).body.size
  fact "chunked", http.get("/chunks").body.inspect
  answer = http.get("/moved")
  fact "moved", [answer.code, answer["location"]].inspect
  fact "not found", http.get("/nothing").code
  pieces = 0
  http.request_get("/noise") { |response| response.read_body { |piece| pieces += piece.size } }
  fact "in pieces", pieces
  fact "head", http.head("/noise")["content-length"]
end

http = Net::HTTP.new("127.0.0.1", 8443)
http.use_ssl = true
http.cert_store = Certificates.store
fact "by address", http.get("/count").code
http = Net::HTTP.new("other.test", 8443)
http.ipaddr = "127.0.0.1"
http.use_ssl = true
http.cert_store = Certificates.store
fact "another name", begin
  http.get("/count").code
rescue OpenSSL::SSL::SSLError => error
  error.message[/verify failed \(.*\)/]
end

http = Net::HTTP.new("127.0.0.1", 8443)
http.use_ssl = true
http.cert_store = Certificates.store
http.read_timeout = 0.2
http.max_retries = 0
fact "too slow", outcome { http.get("/slow").body }
fact "nobody there", outcome { Net::HTTP.get_response("127.0.0.1", "/", 8444).code }

server.shutdown
thread.join
fact "after shutdown", outcome { TCPSocket.new("127.0.0.1", 8443) }
