import Glibc
import Synchronization

/// A question about sessions that came by the page: a walk on a thread of its own, whose answer is one document.
///
/// Bounded: `shownCountMax` sessions are told of, the others are counted; after a minute it ends where it is.
final class SessionJob {
    static let shownCountMax = 200
    static let patienceSeconds = 60

    private final class Outcome: Sendable {
        let document = Mutex<(status: Int, text: String)?>(nil)
    }

    private let outcome = Outcome()
    private let thread: NodeThread

    /// - Parameters:
    ///   - who: for the log.
    ///   - done: called on the job's thread when its answer is there.
    init(
        _ query: SessionQuery, _ space: Space, context: NodeContext, ending: SessionEnding,
        who: String, isStopping: Flag, done: @escaping @Sendable () -> Void
    ) throws(NodeError) {
        let outcome = outcome
        thread = try NodeThread(yields: true) {
            let document = Self.document(query, space, context, ending, who, isStopping)
            outcome.document.withLock { $0 = document }
            done()
        }
    }

    /// Once it is done.
    func takeAnswer() -> (status: Int, text: String)? { outcome.document.withLock { $0.take() } }

    func join() { thread.join() }

    private static func document(
        _ query: SessionQuery, _ space: Space, _ context: NodeContext, _ ending: SessionEnding,
        _ who: String, _ isStopping: Flag
    ) -> (status: Int, text: String) {
        let begun = ContinuousClock.now
        var collected = Collected()
        do {
            let answer = try SessionAnswer(query, space, context: context, ending: ending)
            try answer.give(
                to: who, write: { bytes in collected.take(bytes) },
                isWanted: {
                    !isStopping.isSet && ContinuousClock.now - begun < .seconds(patienceSeconds)
                })
            return (200, collected.document(isWhole: true))
        } catch let mistake as SessionQuery.Mistake {
            return (400, JSON.object([("error", .text(mistake.sentence))]).text)
        } catch {
            return (200, collected.document(isWhole: false))
        }
    }

    /// Lines of JSON, as operators get them, by what they are.
    struct Collected {
        private var sessions: [String] = []
        private var furtherCount = 0
        private var result: String?

        mutating func take(_ bytes: [UInt8]) {
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                if line.hasPrefix("{\"session\":") {
                    if sessions.count < SessionJob.shownCountMax {
                        sessions.append(String(line))
                    } else {
                        furtherCount += 1
                    }
                } else if line.hasPrefix("{\"result\":") {
                    result = String(line)
                }
            }
        }

        func document(isWhole: Bool) -> String {
            "{\"whole\":\(isWhole),\"further\":\(furtherCount),\"result\":\(result ?? "null"),"
                + "\"sessions\":[\(sessions.joined(separator: ","))]}"
        }
    }
}
