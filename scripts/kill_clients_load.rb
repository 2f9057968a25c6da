# The client in Ruby for scripts/kill-clients and scripts/cluster-kill: people who are logged in through
# Rack::Session::Dalli, and ask again and again, each request on a connection of its own.
#
# It is called as kill_clients_load.py is, and speaks with the script as that does: "ready", a line, and in the end each
# request as [begin, end, outcome]. As kind `pages` it is an application server of scripts/headline instead: lines ask for
# pages and are answered as those of Sources/SessionPages are.
require "json"
require "dalli"
require "rack"
require "rack/mock"
require "rack/session/dalli"

KIND, SERVERS, PATIENCE, PAUSE = ARGV
THREADS = 2
PEOPLE = 10 # of each thread
FINE, PASSING, LOGGED_OUT = 0, 1, 2
Dalli.logger.level = Logger::FATAL

# Answers with what it found, and at the login with what it made.
APPLICATION = lambda do |env|
  request = Rack::Request.new(env)
  session = request.session
  found = session["user"] && "#{session["user"]} #{session["count"]}"
  case request.path
  when "/login"
    session["user"], session["count"] = request.params.values_at("name", "count")
  when "/write"
    session["count"] = request.params["count"] if found
  when "/logout"
    session.destroy
  end
  [200, {}, [found || "- -"]]
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
  body.split.first == name ? FINE : PASSING
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

def answer(number, action, cookie, user, count)
  body, fresh = get("/#{action}?name=#{user}&count=#{count}", action == "login" || cookie == "-" ? nil : cookie)
  "#{number} ok #{fresh || cookie} #{body}"
rescue StandardError => error
  "#{number} failed #{error.message.lines.first&.chomp}"
end

def serve
  asked = Queue.new
  threads = Array.new(2 * THREADS) do
    Thread.new do
      while (line = asked.pop)
        # So short a line is not cut.
        $stdout.syswrite("#{answer(*line.split)}\n")
      end
    end
  end
  $stdin.each_line { |line| asked << line }
  asked.close
  threads.each(&:join)
end

if KIND == "pages"
  serve
  exit
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
