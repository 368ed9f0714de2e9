# WEBrick: servlets, files, ranges, many clients at once, an orderly end.
require_relative "support"
require "net/http"
require "tmpdir"
require "webrick"

class Calculator < WEBrick::HTTPServlet::AbstractServlet
  def do_GET(request, response)
    response["Content-Type"] = "text/plain"
    response.body = request.query.values.sum(&:to_i).to_s
  end

  def do_POST(request, response)
    response.status = 201
    response.body = digest(request.body)
  end
end

Dir.mktmpdir do |folder|
  File.binwrite(File.join(folder, "file"), noise(300_000))
  server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: 8080, DocumentRoot: folder,
                                   Logger: WEBrick::Log.new(File::NULL), AccessLog: [])
  server.mount("/sum", Calculator)
  server.mount_proc("/who") { |request, response| response.body = request.peeraddr[3] }
  thread = Thread.new { server.start }
  base = "http://127.0.0.1:8080"

  fact "sum", Net::HTTP.get(URI("#{base}/sum?a=1&b=41"))
  fact "post", Net::HTTP.post(URI("#{base}/sum"), noise(70_000)).then { |answer| [answer.code, answer.body].inspect }
  fact "who", Net::HTTP.get(URI("#{base}/who"))
  fact "file", digest(Net::HTTP.get(URI("#{base}/file"))) == digest(noise(300_000))
  fact "missing", Net::HTTP.get_response(URI("#{base}/none")).code
  ranged = Net::HTTP.start("127.0.0.1", 8080) { |http| http.get("/file", "Range" => "bytes=1000-1999") }
  fact "range", [ranged.code, ranged["content-range"], ranged.body == noise(300_000)[1000, 1000]].inspect
  answers = 20.times.map { |at| Thread.new { Net::HTTP.get(URI("#{base}/sum?n=#{at}")).to_i } }
  fact "at once", answers.sum(&:value)

  # What is no request.
  fact "garbage", TCPSocket.open("127.0.0.1", 8080) { |socket| socket.write("\0\1\2\r\n\r\n"); socket.gets }
  fact "pipelined", TCPSocket.open("127.0.0.1", 8080) { |socket|
    socket.write("GET /sum?a=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /sum?a=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    socket.read.scan(/\r\n\r\n(\d)/).flatten.inspect
  }

  server.shutdown
  thread.join
  fact "after shutdown", outcome { TCPSocket.new("127.0.0.1", 8080) }
end
