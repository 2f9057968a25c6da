# Sessions of Ruby's frameworks in Dalli, against nodes: rack_checks.rb rack|rails HOST:PORT [HOST:PORT ...]
#
# rack is Rack::Session::Dalli, which is a part of Dalli before 4; rails is a Rails application whose session store
# is the cache, and the cache :mem_cache_store. Ends with status 0 and the number of checks, or with the
# first check that failed.
KIND, *SERVERS = ARGV
$checked = 0

def check(name, got, wanted)
  abort "#{name}: #{got.inspect} instead of #{wanted.inspect}" unless got == wanted
  $checked += 1
end

require "dalli"
require "rack"
require "rack/mock"
IDLE_SECONDS = 3

# What the shop answers: who is logged in, and what is in the cart.
def shop(session, path, params)
  case path
  when "/login"
    session["user"] = params["user"]
  when "/add"
    session["cart"] = (session["cart"] || []) + [params["item"]]
  when "/fill"
    session["fill"] = params["bytes"].to_i.then { |count| Random.new(count).bytes(count).unpack1("H*")[0, count] }
  end
  [session["user"] || "nobody", *session["cart"], session["fill"]&.sum].compact.join(" ")
end

def rack_application
  require "rack/session/dalli"
  inner = lambda do |env|
    request = Rack::Request.new(env)
    session = request.session
    case request.path
    when "/login" then session.options[:renew] = true
    when "/logout" then session.destroy
    end
    [200, {}, [request.path == "/logout" ? "bye" : shop(session, request.path, request.params)]]
  end
  options = { memcache_server: SERVERS, expire_after: IDLE_SECONDS, namespace: "shop" }
  Rack::Session::Dalli.new(inner, options)
end

def rails_application
  ENV["RAILS_ENV"] = "production"
  # Rails 6.1 names it before it asks for it, and so needs Ruby's own.
  require "logger"
  require "rails"
  require "action_controller/railtie"
  Class.new(Rails::Application) do
    config.eager_load = false
    config.secret_key_base = "x" * 64
    config.logger = Logger.new(nil)
    config.hosts.clear
    config.cache_store = :mem_cache_store, *SERVERS, { namespace: "shop", failover: false, socket_timeout: 5 }
    config.session_store :cache_store, key: "_shop_session", expire_after: IDLE_SECONDS
    routes.append { get "*path", to: "shops#show" }
  end
  controller = Class.new(ActionController::Base) do
    def show
      reset_session if %w[/login /logout].include?(request.path)
      answer = request.path == "/logout" ? "bye" : shop(session, request.path, params)
      render plain: answer
    end
  end
  Object.const_set(:ShopsController, controller)
  Rails.application.initialize!
  Rails.application
end

# A browser: it keeps the cookies.
class Visitor
  attr_accessor :cookie

  def initialize(application, cookie = nil)
    @application = application
    @cookie = cookie
  end

  def ask(path)
    environment = Rack::MockRequest.env_for("http://shop.example#{path}", cookie ? { "HTTP_COOKIE" => cookie } : {})
    status, headers, body = @application.call(environment)
    text = +""
    body.each { |part| text << part }
    body.close if body.respond_to?(:close)
    abort "#{path}: status #{status}: #{text[0, 500]}" unless status == 200
    set = headers["Set-Cookie"].to_s.lines.first
    @cookie = set[/\A[^;]+/] if set
    text
  end
end

def check_visits(application)
  ann, bob = Visitor.new(application), Visitor.new(application)
  check("a stranger", ann.ask("/look"), "nobody")
  check("an item", ann.ask("/add?item=tea"), "nobody tea")
  check("Bob", bob.ask("/add?item=cups"), "nobody cups")
  old = ann.cookie
  check("a login", ann.ask("/login?user=ann").split.first, "ann")
  check("another ID", ann.cookie == old, false)
  check("the old ID", Visitor.new(application, old).ask("/look").split.first, "nobody")
  ann.ask("/add?item=milk")
  check("the cart", ann.ask("/look").split.last, "milk")
  [100, 4_095, 4_096, 16_384, 500_000].each do |count|
    filled = ann.ask("/fill?bytes=#{count}")
    check("#{count} bytes", ann.ask("/look"), filled)
  end
  logged_in = ann.cookie
  check("a logout", ann.ask("/logout"), "bye")
  check("after the logout", ann.ask("/look"), "nobody")
  check("with the old cookie", Visitor.new(application, logged_in).ask("/look"), "nobody")
  check("Bob still", bob.ask("/look"), "nobody cups")
  forged = bob.cookie.sub(/=.*/, "=" + "0123456789abcdef" * 4)
  guest = Visitor.new(application, forged)
  check("an ID of one's own making", guest.ask("/add?item=x"), "nobody x")
  check("is not taken", guest.cookie == forged, false)
end

def check_idle(application)
  5.times do
    idler, reader = Visitor.new(application), Visitor.new(application)
    idler.ask("/login?user=idler")
    reader.ask("/login?user=reader")
    longest, last = 0, now
    seen = (0...4).map do
      sleep(IDLE_SECONDS * 0.28)
      reader.ask("/look").tap { longest, last = [longest, now - last].max, now }
    end
    # A second is the unit of times. Who could not come in time for the machine's sake may be out.
    next if longest > IDLE_SECONDS - 1.1 && seen.include?("nobody")

    check("who comes again", seen, ["reader"] * 4)
    # Rack adds a second to what it is told.
    sleep(1)
    return check("who was idle", idler.ask("/look"), "nobody")
  end
  abort "the machine is too busy"
end

def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)

def check_many(application)
  people = (0...40).map { Visitor.new(application) }
  people.each_with_index { |person, number| person.ask("/login?user=p#{number}") }
  people.each_with_index { |person, number| check("each his own", person.ask("/look"), "p#{number}") }
end

Dalli.logger.level = Logger::FATAL
application = KIND == "rails" ? rails_application : rack_application
check_visits(application)
check_many(application)
check_idle(application)
name = KIND == "rails" ? "Rails #{Rails.version}" : "Rack #{Rack.release}"
puts "#{name}, Dalli #{Dalli::VERSION}: #{$checked} checks passed"
