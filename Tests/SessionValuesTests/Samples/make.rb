# Makes the samples of Ruby: ruby make.rb, with activesupport 6.1.
require "json"
require "logger"
require "active_support"
require "active_support/cache"
require "active_support/core_ext"

session = {
  "session_id" => "abc", "warden.user.user.key" => [[42], "$2a$10$abcdefghijk"], "_csrf_token" => "tok=",
  "flash" => { "discard" => [], "flashes" => { :warden => 1, "warden.user.user.key" => [[7], "x"] } },
  "float" => 1.5, "big" => 2**40, "huge" => 2**70, "symbol" => :abc, "time" => Time.at(0).utc, "range" => (1..3),
  "pattern" => /ab/i, "name" => "J\u00f6rg", "latin" => "J\xf6rg".dup.force_encoding("ISO-8859-1"), "less" => -70_000,
  :key => "by symbol", "same" => "abc", "default" => Hash.new(5).merge("x" => 1),
}
def write(name, bytes) = File.binwrite("#{name}.bin", bytes)
write "marshal", Marshal.dump(session)
write "marshal-indifferent", Marshal.dump(ActiveSupport::HashWithIndifferentAccess.new(session))
twice = "ann"
write "marshal-again", Marshal.dump({ "first" => twice, "user" => twice })
write "rails-6", Marshal.dump(ActiveSupport::Cache::Entry.new(session))
write "rails-6-compressed", Marshal.dump(ActiveSupport::Cache::Entry.new(session.merge("pad" => "x" * 5000)))
# The two later ones by their coders' formats: a mark, or a head, before Marshal.
write "rails-70", "\x00".b + Marshal.dump([session, 1_700_000_000.5])
head = ->(type) { ["\x00\x11".b, type, 1_700_000_000.5, -1].pack("A2CEl<") }
write "rails-71", head.call(0x01) + Marshal.dump(session)
write "rails-71-compressed", head.call(0x81) + Zlib.deflate(Marshal.dump(session))
write "rails-json", JSON.generate(session.reject { |name, _| %w[time range pattern latin].include?(name) })
