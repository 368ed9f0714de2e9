# Resolv, which speaks DNS itself: A, AAAA, PTR and others from dnsmasq, and servers that do not answer well.
require_relative "support"
require "resolv"

PORT = 5300
dnsmasq = Process.spawn(
  "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
  "--pid-file=", "--port=#{PORT}", "--listen-address=127.0.0.1", "--bind-interfaces", "--local=/test/",
  "--host-record=server.test,192.0.2.7,2001:db8::7", "--address=/many.test/192.0.2.1", "--address=/many.test/192.0.2.2",
  "--cname=alias.test,server.test", "--mx-host=server.test,mail.test,10", "--txt-record=server.test,hello",
  "--srv-host=_http._tcp.test,server.test,80", *("a".."z").map { |name| "--txt-record=long.test,#{name * 200}" },
  err: File::NULL, out: File::NULL
)
at_exit do
  Process.kill(:TERM, dnsmasq)
  Process.wait(dnsmasq)
end
eventually { outcome { TCPSocket.new("127.0.0.1", PORT).close }.nil? }

dns = Resolv::DNS.new(nameserver_port: [["127.0.0.1", PORT]], search: [], ndots: 1)
dns.timeouts = 5
# Resolv's errors are told apart by what it says.
ask = lambda do |&block|
  block.call
rescue Resolv::ResolvError => error
  error.message
end

fact "A", dns.getresources("server.test", Resolv::DNS::Resource::IN::A).map { |record| record.address.to_s }.inspect
fact "AAAA", dns.getresources("server.test", Resolv::DNS::Resource::IN::AAAA).map { |record| record.address.to_s }.inspect
fact "PTR", dns.getname("192.0.2.7")
fact "PTR of IPv6", dns.getname("2001:db8::7")
fact "alias", dns.getaddress("alias.test")
fact "CNAME", dns.getresource("alias.test", Resolv::DNS::Resource::IN::CNAME).name
fact "MX", dns.getresources("server.test", Resolv::DNS::Resource::IN::MX).map { |record| [record.preference, record.exchange.to_s] }.inspect
fact "TXT", dns.getresource("server.test", Resolv::DNS::Resource::IN::TXT).strings.inspect
fact "SRV", dns.getresource("_http._tcp.test", Resolv::DNS::Resource::IN::SRV).port
fact "many", dns.getaddresses("many.test").map(&:to_s).sort.inspect
fact "too long for a datagram", dns.getresources("long.test", Resolv::DNS::Resource::IN::TXT).map { |record| record.data[0] }.sort.join
fact "no such name", ask.call { dns.getaddress("nothing.test") }
fact "no such record", dns.getresources("many.test", Resolv::DNS::Resource::IN::MX).inspect
fact "no name for it", ask.call { dns.getname("192.0.2.99") }
fact "many at once", 20.times.map { Thread.new { dns.getaddress("server.test").to_s } }.map(&:value).uniq.inspect

# The first server is silent, the second answers.
silent = UDPSocket.new
silent.bind("127.0.0.1", 5301)
patient = Resolv::DNS.new(nameserver_port: [["127.0.0.1", 5301], ["127.0.0.1", PORT]], search: [], ndots: 1)
patient.timeouts = [0.3]
fact "after a silent one", patient.getaddress("server.test")
fact "the silent one was asked", silent.recv_nonblock(512).bytesize

lonely = Resolv::DNS.new(nameserver_port: [["127.0.0.1", 5301]], search: [], ndots: 1)
lonely.timeouts = [0.2, 0.2]
fact "only a silent one", ask.call { lonely.getaddress("server.test") }

# Answers that belong to no question are passed over.
liar = UDPSocket.new
liar.bind("127.0.0.1", 5302)
Thread.new do
  question, from = liar.recvfrom(512)
  2.times { |at| liar.send([question.unpack1("n") ^ (1 << at)].pack("n") + question[2..], 0, from[3], from[1]) }
  liar.send("no message", 0, from[3], from[1])
end
lied_to = Resolv::DNS.new(nameserver_port: [["127.0.0.1", 5302]], search: [], ndots: 1)
lied_to.timeouts = [0.3]
fact "a liar", ask.call { lied_to.getaddress("server.test") }.sub(/: .*/, "")
