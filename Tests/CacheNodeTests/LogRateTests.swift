import Testing

@testable import CacheNode

@Suite(.timeLimit(.minutes(10)))
struct LogRateTests {
    private let kind = LogRates.Kind(file: "a", line: 1)

    /// The rates, as something that a check may change.
    private final class Log {
        var rates = LogRates()
        func isTold(_ kind: LogRates.Kind, _ message: String, at seconds: Int) -> Bool {
            rates.admits(kind, message: message, at: seconds)
        }
        func due(at seconds: Int) -> [String] { rates.due(at: seconds) }
    }

    @Test("A kind of line is told so often, then counted, and told again in the next while")
    func rates() {
        let log = Log()
        for number in 1...LogRates.linesPerWindow {
            #expect(log.isTold(kind, "line \(number)", at: 100))
        }
        for number in 1...3 {
            #expect(!log.isTold(kind, "more \(number)", at: 100 + number))
        }
        let other = LogRates.Kind(file: "a", line: 2)
        #expect(log.isTold(other, "other", at: 103))
        #expect(log.rates.hasLeftOut)
        #expect(log.due(at: 99 + LogRates.windowSeconds) == [])
        #expect(log.due(at: 100 + LogRates.windowSeconds) == ["more 3 (and 2 more like it)"])
        #expect(!log.rates.hasLeftOut)
        #expect(log.isTold(kind, "line", at: 100 + LogRates.windowSeconds))
    }

    @Test("A kind of line that is rare is always told")
    func rare() {
        let log = Log()
        for second in 0..<100 {
            #expect(log.isTold(kind, "line", at: second * LogRates.windowSeconds))
        }
        #expect(!log.rates.hasLeftOut)
    }
}
