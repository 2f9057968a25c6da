# The client in Ruby for scripts/kill-clients and scripts/cluster-kill: people who are logged in through
# Rack::Session::Dalli, and ask again and again, each request on a connection of its own.
#
# It is called as kill_clients_load.py is, and speaks with the script as that does: "ready", a line, and in the end each
# request as [begin, end, outcome].
require "json"
require "dalli"
require "rack"
require "rack/mock"
require "rack/session/dalli"

_, SERVERS, PATIENCE, PAUSE = ARGV
THREADS = 2
PEOPLE = 10 # of each thread
FINE, PASSING, LOGGED_OUT = 0, 1, 2
Dalli.logger.level = Logger::FATAL

APPLICATION = lambda do |env|
  request = Rack::Request.new(env)
  request.session["user"] = request.params["name"] if request.path == "/login"
  [200, {}, [request.session["user"] || "nobody"]]
end

def get(path, cookie = nil)
  application = Rack::Session::Dalli.new(
    APPLICATION, memcache_server: SERVERS.split(","), socket_timeout: PATIENCE.to_f, socket_max_failures: 0,
    serializer: Marshal, expire_after: 3_600)
  environment = Rack::MockRequest.env_for(path, cookie ? { "HTTP_COOKIE" => cookie } : {})
  _, headers, body = application.call(environment)
  [body.join, headers["Set-Cookie"]&.split(";")&.first]
ensure
  application&.instance_variable_get(:@pool)&.shutdown(&:close)
end

def log_in(name) = [get("/login?name=#{name}")[1], name]

def ask(person)
  cookie, name = person
  body, fresh = get("/", cookie)
  # A browser keeps the new cookie, and the old session is out of reach.
  return LOGGED_OUT if fresh && fresh != cookie
  body == name ? FINE : PASSING
end

def seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC)

def work(number, people, requests)
  turn = 0
  until $over
    who = turn % PEOPLE
    turn += 1
    start = seconds
    outcome = begin
      ask(people[who])
    rescue StandardError
      PASSING
    end
    requests << [start, seconds, outcome]
    people[who] = log_in("#{number}-#{who}") if outcome == LOGGED_OUT
    # This is about moments, not about speed.
    sleep PAUSE.to_f
  end
end

people = Array.new(THREADS) { |number| Array.new(PEOPLE) { |person| log_in("#{number}-#{person}") } }
abort "dalli: nobody can log in" unless people.flatten(1).all? { |person| ask(person) == FINE }
puts "ready"
$stdout.flush
$stdin.gets
requests = []
threads = Array.new(THREADS) { |number| Thread.new { work(number, people[number], requests) } }
$stdin.read
$over = true
threads.each(&:join)
puts JSON.generate(requests)
