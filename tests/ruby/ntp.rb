# NTP by UDP (RFC 5905): a small server with a clock of its own, and a client that sets itself by it.
require_relative "support"

EPOCH = 2_208_988_800
LEAP_AND_MODE = { client: 0b00_100_011, server: 0b00_100_100 }.freeze

def to_ntp(time)
  [time.to_i + EPOCH, (time.subsec * (1 << 32)).to_i]
end

def from_ntp(seconds, fraction)
  Time.at(seconds - EPOCH, Rational(fraction, 1 << 32) * 1_000_000_000, :nsec)
end

# Answers with a clock that is `ahead` seconds ahead.
def serve(address, port, ahead:, stratum: 2, reference: "GPS\0")
  socket = Addrinfo.udp(address, port).bind
  Thread.new do
    loop do
      request, from = socket.recvfrom(512)
      next if request.bytesize < 48
      received = to_ntp(Time.now + ahead)
      header = [LEAP_AND_MODE[:server], stratum, 6, -20, 0, 0].pack("CCCcN2")
      times = [*to_ntp(Time.now), *request[40, 8].unpack("N2"), *received, *to_ntp(Time.now + ahead)].pack("N8")
      socket.send(header + reference + times, 0, from)
    end
  end
end

# The offset of a server's clock in seconds; or why there is none.
def ask(address, port, timeout: 1)
  socket = UDPSocket.new(Addrinfo.ip(address).afamily)
  socket.connect(address, port)
  sent = Time.now
  socket.send([LEAP_AND_MODE[:client], *[0] * 39].pack("C*") + to_ntp(sent).pack("N2"), 0)
  return "no answer" unless IO.select([socket], nil, nil, timeout)
  answer = socket.recv(512)
  arrived = Time.now
  return "kiss of death #{answer[12, 4]}" if answer.getbyte(1).zero?
  return "not synchronised" if answer.getbyte(1) > 15
  return "not an answer to us" unless answer[24, 8].unpack("N2") == to_ntp(sent)
  received = from_ntp(*answer[32, 8].unpack("N2"))
  transmitted = from_ntp(*answer[40, 8].unpack("N2"))
  ((received - sent) + (transmitted - arrived)) / 2
rescue Errno::ECONNREFUSED
  "refused"
ensure
  socket&.close
end

serve "127.0.0.1", 123, ahead: 100
serve "::1", 123, ahead: -3600
serve "127.0.0.2", 123, ahead: 0, stratum: 0, reference: "RATE"
serve "127.0.0.3", 123, ahead: 0, stratum: 16
silent = Addrinfo.udp("127.0.0.4", 123).bind

fact "ahead", ask("127.0.0.1", 123).round
fact "behind, over IPv6", ask("::1", 123).round
fact "too many questions", ask("127.0.0.2", 123)
fact "a server without a clock", ask("127.0.0.3", 123)
fact "silent", ask("127.0.0.4", 123, timeout: 0.2)
fact "nobody", ask("127.0.0.5", 123)
fact "the silent one was asked", silent.recv_nonblock(512).bytesize
offsets = 10.times.map { Thread.new { ask("127.0.0.1", 123) } }.map(&:value)
fact "the median of ten", offsets.sort[5].round
