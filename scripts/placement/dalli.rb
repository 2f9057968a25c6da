# Which server does Dalli's ring say? Lines in, one index a line out: see scripts/golden-placement.
require 'dalli'

# What the ring wants to know of a server.
Server = Struct.new(:name, :weight, :number, :is_alive) do
  def alive?
    is_alive
  end
end

servers = []
dead = []
ring = nil
while (line = STDIN.gets)
  kind, *words = line.split
  case kind
  when 'option' then dead << words[0].delete_prefix('dead=').to_i
  when 'node'
    number = servers.size
    servers << Server.new("#{words[0]}:#{words[1]}", words[2].to_i, number, !dead.include?(number))
  when 'key'
    ring ||= Dalli::Ring.new(servers, threadsafe: false)
    begin
      puts ring.server_for_key([words[0]].pack('H*')).number
    rescue Dalli::RingError
      puts '-'
    end
  end
end
