import Glibc
import HashRing
import Logging
import SessionClient

/// An application server with `SessionStore`, for scripts/headline. A line of standard input asks for a page, a line of
/// standard output answers, in whatever order pages are ready. It ends with its input.
///
///     SessionPages HOST:PORT[,HOST:PORT ...]
///
///     NUMBER login|look|write|logout COOKIE USER COUNT      asks; `-` is no cookie
///     NUMBER ok COOKIE USER COUNT                           whose session was found, `-` twice for nobody's
///     NUMBER failed REASON
struct Visit: Codable, Sendable {
    var user: String
    var count: Int
}

struct Page: Sendable {
    let number: Substring
    let action: Substring
    let cookie: String
    let user: Substring
    let count: Int

    init?(_ line: String) {
        let words = line.split(separator: " ")
        guard words.count == 5, let count = Int(words[4]) else { return nil }
        number = words[0]
        action = words[1]
        cookie = String(words[2])
        user = words[3]
        self.count = count
    }

    func answer(_ sessions: SessionStore<Visit>) async -> String {
        do {
            let (cookie, found) = try await carryOut(sessions)
            let text = found.map { "\($0.user) \($0.count)" } ?? "- -"
            return "\(number) ok \(cookie) \(text)\n"
        } catch {
            return "\(number) failed \(error)\n"
        }
    }

    private func carryOut(
        _ sessions: SessionStore<Visit>
    ) async throws(SessionError) -> (cookie: String, found: Visit?) {
        if action == "login" {
            let session = try await sessions.create(Visit(user: String(user), count: count))
            return (sessions.cookieValue(for: session.id), nil)
        }
        guard let id = sessions.id(fromCookie: cookie) else { return (cookie, nil) }
        var found: Visit?
        switch action {
        case "write":
            _ = try await sessions.update(id) {
                found = $0
                $0.count = count
            }
        case "logout":
            found = try await sessions.load(id)?.value
            try await sessions.destroy(id)
        default:
            found = try await sessions.load(id)?.value
        }
        return (cookie, found)
    }
}

func fail(_ reason: String) -> Never {
    let line = Array("SessionPages: \(reason)\n".utf8)
    write(STDERR_FILENO, line, line.count)
    exit(1)
}

func makeSessions() throws -> SessionStore<Visit> {
    guard CommandLine.arguments.count == 2 else { fail("expected HOST:PORT[,HOST:PORT ...]") }
    let nodes = CommandLine.arguments[1].split(separator: ",").map { place in
        let words = place.split(separator: ":")
        guard words.count == 2, let port = Int(words[1]) else { fail("\(place): no HOST:PORT") }
        return Node(host: String(words[0]), port: port)
    }
    var configuration = CacheClientConfiguration()
    // As for sessions where the client keeps no copies.
    configuration.deadNodes = .nextNode
    let logger = Logger(label: "session-pages") { _ in SwiftLogNoOpLogHandler() }
    let cache = try CacheClient(nodes: nodes, configuration: configuration, logger: logger)
    // Nobody is logged out by time in so short a test.
    var times = SessionStoreConfiguration()
    times.idleTimeout = .seconds(86_400)
    return try SessionStore<Visit>(cache: cache, configuration: times)
}

do {
    let sessions = try makeSessions()
    while let line = readLine() {
        guard let page = Page(line) else { fail("\(line): no page") }
        // Not by the main actor, which waits for lines.
        Task.detached {
            // So short a write is not cut.
            let answer = Array(await page.answer(sessions).utf8)
            write(STDOUT_FILENO, answer, answer.count)
        }
    }
} catch {
    fail("\(error)")
}
