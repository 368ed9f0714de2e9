# What the scripts share: facts on standard output, and an end for a script that hangs.
#
# A fact is the same on every stack: no time, no process, no port that was chosen by the system. Each script runs on
# the kernel and under `portolan run`, and what both print is compared.

require "digest"
require "socket"
require "timeout"

$stdout.sync = true
Thread.abort_on_exception = true

# Prints a fact.
def fact(name, value)
  puts "#{name}: #{value}"
end

# What a block gives, or the class of the error that it raises.
def outcome
  yield
rescue SystemCallError, IOError, SocketError, Timeout::Error => error
  error.class.name
end

# Octets that no protocol is likely to produce by mistake, always the same.
def noise(length, seed = 1)
  Random.new(seed).bytes(length)
end

def digest(octets)
  Digest::SHA256.hexdigest(octets)[0, 16]
end

# Reads until the other side has ended.
def read_all(socket)
  octets = +""
  octets << socket.readpartial(65_536) while true
rescue EOFError
  octets
end

# Waits until a block holds.
def eventually(seconds = 10)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
  until yield
    raise "did not come to hold" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline
    sleep 0.005
  end
end

Thread.new do
  sleep 50
  warn "#{$PROGRAM_NAME} hangs: #{Thread.list.map { |thread| thread.backtrace&.first }}"
  exit! 99
end
