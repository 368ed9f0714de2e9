# Runs tests of Ruby's own test/socket and prints a line as each begins and ends.
#
# usage: ruby.rb SOURCE --list | ruby.rb SOURCE FILE     FILE holds the names of the tests to run, one to a line
# SOURCE is the unpacked source of Ruby, whose test library is used, and not its runner, which says nothing before the end.

source, chosen = ARGV
ARGV.clear
$LOAD_PATH.unshift "#{source}/tool/lib"
Warning[:experimental] = false
$VERBOSE = nil
$stdout.sync = true

require "test/unit"
Dir["#{source}/test/socket/test_*.rb"].sort.each { |file| require file }

# What the test library wants to know of whoever runs a test.
class Listener
  attr_reader :verdict, :why

  def options = { seed: 42 }
  def info_signal = nil
  def record(*) = nil

  def initialize
    @verdict, @why = "pass", ""
  end

  # Told of what a test raises; the first that is not a skip is the test's.
  def puke(_suite, _name, error)
    return if @verdict == "fail"
    @verdict = error.is_a?(Test::Unit::PendedError) ? "skip" : "fail"
    @why = "#{error.class}: #{error.message}".scrub.split.join(" ")[0, 400]
  end
end

tests = Test::Unit::TestCase.test_suites.sort_by(&:name).flat_map do |suite|
  suite.test_methods.sort.map { |name| ["#{suite.name}##{name}", suite, name] }
end

if chosen == "--list"
  puts tests.map(&:first)
else
  names = File.readlines(chosen, chomp: true)
  tests.select { |name,| names.include?(name) }.each do |name, suite, method|
    puts "begin\t#{name}"
    listener = Listener.new
    suite.new(method).run(listener)
    puts "#{listener.verdict}\t#{name}\t#{listener.why}"
  end
end
# Threads that a failed test has left behind must not keep the process, nor the library's own runner begin.
$stdout.flush
exit! 0
