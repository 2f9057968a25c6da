# Holds Dalli, a client in Ruby, against a node: dalli_checks.rb HOST:PORT
#
# Before 3.2 Dalli speaks the binary protocol only, from 5.0 on the meta one only, and between them what it is
# told: then both are held. Ends with status 0 and the number of checks, or with the first check that failed.
require "dalli"

ADDRESS = ARGV.fetch(0)
$checked = 0

def check(name, got, wanted)
  abort "#{name}: #{got.inspect} instead of #{wanted.inspect}" unless got == wanted
  $checked += 1
end

# The binary protocol's answer is a CAS unique, which is 0 where nothing was stored.
def stored(answer) = !!answer && answer != 0

Dalli.logger.level = Logger::FATAL
PROTOCOLS =
  if !defined?(Dalli::Protocol::Meta) then [:binary]
  elsif Dalli::VERSION.to_i < 5 then %i[binary meta]
  else [:meta]
  end

def connect(options = {})
  choice = PROTOCOLS.size > 1 ? { protocol: $protocol } : {}
  Dalli::Client.new(ADDRESS, { socket_timeout: 10, serializer: Marshal, compress: false }.merge(choice, options))
end

def check_commands(client)
  client.flush
  check("get of nothing", client.get("k"), nil)
  check("set", stored(client.set("k", "value")), true)
  check("get", client.get("k"), "value")
  ["", "a" * 40_000, 17, [1, { "a" => nil }], true, "schl\u00fcssel"].each do |value|
    client.set("k", value)
    check("get of #{value.inspect[0, 20]}", client.get("k"), value)
  end
  check("add of what is there", stored(client.add("k", "x")), false)
  check("add", stored(client.add("l", "x")), true)
  check("replace", stored(client.replace("l", "y")), true)
  check("replace of nothing", stored(client.replace("m", "y")), false)
  check("get of the replaced", client.get("l"), "y")
  check("delete", client.delete("l"), true)
  check("delete of nothing", !!client.delete("l"), false)
  check("fetch", client.fetch("l") { "made" }, "made")
  check("fetch once more", client.fetch("l") { "again" }, "made")
end

def check_raw(client)
  client.set("r", "b", 100, raw: true)
  check("append", client.append("r", "c"), true)
  check("prepend", client.prepend("r", "a"), true)
  check("append to nothing", client.append("absent", "c"), false)
  check("get of the three", client.get("r", raw: true), "abc")
  [16_384, 32_768, 1_000_000].each do |count|
    # Before 4.0 Dalli takes a line's end in a value for the value's.
    value = Random.new(count).bytes(count).tr("\r", "\n")
    client.set("r", value, 100, raw: true)
    check("get of #{count} bytes", client.get("r", raw: true) == value, true)
  end
end

def check_keys(client)
  ["with space", "\u00fcml\u00e4ut", "k" * 250, "k" * 300].each do |key|
    client.set(key, key)
    check("get of #{key[0, 20]}", client.get(key), key)
    check("delete of #{key[0, 20]}", client.delete(key), true)
    check("get after it", client.get(key), nil)
  end
end

# Before 3.1 it had another name.
def quiet(client, &block) = client.respond_to?(:quiet) ? client.quiet(&block) : client.multi(&block)

def check_many(client)
  values = (0...300).to_h { |number| ["key#{number}", "value#{number}" * number] }
  quiet(client) { values.each { |key, value| client.set(key, value) } }
  check("get_multi", client.get_multi(values.keys + ["absent"]), values)
  uniques = client.get_multi_cas(*values.keys.first(20))
  check("uniques", uniques.values.map(&:last).uniq.count, 20)
  quiet(client) { values.each_key { |key| client.delete(key) } }
  check("get_multi of nothing", client.get_multi(values.keys), {})
end

def check_cas(client)
  client.set("c", 1)
  value, unique = client.get_cas("c")
  check("get_cas", value, 1)
  check("cas", client.cas("c") { |old| old + 1 } != false, true)
  check("an old unique", client.set_cas("c", 5, unique), false)
  check("delete with it", client.delete_cas("c", unique), false)
  check("get after cas", client.get("c"), 2)
  check("cas of nothing", client.cas("absent") { 1 }, nil)
  check("a race", client.cas("c") { client.set("c", 7) }, false)
  unique = client.get_cas("c").last
  check("replace_cas", client.replace_cas("c", 8, unique) != false, true)
  check("delete_cas", client.delete_cas("c", client.get_cas("c").last), true)
end

def check_numbers(client)
  check("incr of nothing", client.incr("n"), nil)
  check("incr with a default", client.incr("n", 1, 100, 10), 10)
  check("incr", client.incr("n", 5), 15)
  check("decr", client.decr("n", 6), 9)
  check("decr below nothing", client.decr("n", 60), 0)
  client.set("t", "text", 100, raw: true)
  begin
    client.incr("t")
    abort "incr of a text: no error"
  rescue Dalli::DalliError
    check("get after the error", client.get("t", raw: true), "text")
  end
end

def check_times(client)
  client.set("k", "x", 100)
  check("touch", client.touch("k", 200), true)
  check("touch of nothing", client.touch("absent", 200), nil)
  check("gat", client.gat("k", 300), "x")
  check("gat of nothing", client.gat("absent", 300), nil)
  client.set("k", "x", 31 * 86_400)
  check("thirty-one days", client.get("k"), "x")
end

# What later versions have on top.
def check_later(client)
  if client.respond_to?(:fetch_with_lock)
    other = connect
    check("a lock's winner", client.fetch_with_lock("lock", ttl: 100) {
      check("another sees no value", other.get("lock"), "")
      "made"
    }, "made")
    check("all have it", other.fetch_with_lock("lock", ttl: 100) { "again" }, "made")
    result = client.get_with_metadata("lock", return_hit_status: true, return_last_access: true)
    check("metadata", result.values_at(:value, :hit_before, :last_access), ["made", true, 0])
  end
  return unless client.respond_to?(:set_multi)

  values = (0...300).to_h { |number| ["m#{number}", "value#{number}"] }
  client.set_multi(values, 100)
  check("get_multi of set_multi", client.get_multi(*values.keys), values)
  client.delete_multi(values.keys)
  check("get_multi after delete_multi", client.get_multi(*values.keys), {})
end

def check_node(client)
  client.set("k", "x")
  check("version", client.version.values.first.start_with?("1.6."), true)
  check("stats", client.stats.values.first["curr_items"].to_i.positive?, true)
  check("stats settings", client.stats(:settings).values.first["evictions"], "on")
  check("reset_stats", client.reset_stats, [true])
  client.set("k", "x")
  check("flush", client.flush.all?, true)
  check("get after flush", client.get("k"), nil)
  check("alive!", !client.alive!.nil?, true)
end

PROTOCOLS.each do |protocol|
  $protocol = protocol
  client = connect
  check_commands(client)
  check_raw(client)
  check_keys(client)
  check_many(client)
  check_cas(client)
  check_numbers(client)
  check_times(client)
  # Dalli 4.3 waits for ever for answers to its quiet sets in the binary protocol.
  check_later(client) if protocol == :meta
  check_node(client)
  client.close
end
puts "Dalli #{Dalli::VERSION}, #{PROTOCOLS.join(' and ')}: #{$checked} checks passed"
