# People who are logged in while nodes are restarted, by Dalli with a list of nodes: restart_load.rb HOST:PORT ...
#
# As restart_load.py, which see. A node that has refused it is tried again after a second: by default after a minute, in which all
# nodes may be restarted.
require "dalli"

Dalli.logger.level = Logger::FATAL
client = Dalli::Client.new(ARGV, socket_timeout: 1, down_retry_delay: 1)
source = Random.new(6)
known = (0...100).to_h { |number| ["ruby:#{number}", nil] }
requests = 0
errors = []
wrong = []

ask = lambda do |what, *arguments|
  requests += 1
  client.public_send(what, *arguments)
rescue Dalli::DalliError => error
  errors << "#{what}: #{error.message}"
  :error
end

change = lambda do |key|
  value = "cart #{requests}"
  known[key] = ask.call(:set, key, value, 3_600) == :error ? :unknown : value
end

visit = lambda do |key|
  choice = source.rand
  next change.call(key) if choice < 0.3 || known[key].nil?
  known[key] = ask.call(:delete, key) == :error ? :unknown : nil if choice < 0.35
  seen = ask.call(:get, key)
  next if known[key] == :unknown || seen == :error || seen == known[key]
  wrong << "#{key}: #{seen.inspect} instead of #{known[key].inspect}"
end

known.each_key(&change)
puts "ready"
$stdout.flush
visit.call(known.keys[source.rand(known.size)]) until IO.select([$stdin], [], [], 0)
puts ["#{requests} requests, #{errors.size} errors, #{wrong.size} wrong", *errors.first(3), *wrong.first(3)].join(" ")
