import Glibc
import SessionMap

/// One thing that a node tells about itself, as it stands on a page, in whatever format that is written.
struct Statistic: Equatable, Sendable {
    enum Kind {
        /// Only grows, since the start of the process or the last `stats reset`.
        case counter
        /// As it is now.
        case gauge
        case text
    }

    enum Value: Equatable, Sendable {
        case counter(UInt64)
        case gauge(Int)
        /// A gauge with so many digits after the point.
        case fraction(Double, digits: Int)
        case text(String)
    }

    let name: String
    var value: Value
    /// One line for somebody who has not heard of it.
    let help: String

    var kind: Kind {
        switch value {
        case .counter: .counter
        case .gauge, .fraction: .gauge
        case .text: .text
        }
    }

    /// The value as memcached writes it.
    var text: String {
        switch value {
        case .counter(let count): String(count)
        case .gauge(let number): String(number)
        case .fraction(let number, let digits): Self.text(number, digits: digits)
        case .text(let text): text
        }
    }

    private static func text(_ number: Double, digits: Int) -> String {
        var text = [CChar](repeating: 0, count: 400)
        let count = withVaList([Int32(digits), number]) {
            vsnprintf(&text, text.count, "%.*f", $0)
        }
        let bytes = text.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A page as it is put together: every counter is in it with all that was ever counted, also one that
/// is not shown at the moment, so that a reset finds it.
struct StatisticsList {
    /// Whether what comes next is shown.
    var isShowing = true
    private var shown: [Statistic] = []
    private var hidden: [Statistic] = []

    private mutating func append(_ name: String, _ value: Statistic.Value, _ help: String) {
        let statistic = Statistic(name: name, value: value, help: help)
        if isShowing { shown.append(statistic) } else { hidden.append(statistic) }
    }

    mutating func counter(_ name: String, _ count: UInt64, _ help: String) {
        append(name, .counter(count), help)
    }

    mutating func gauge(_ name: String, _ number: some BinaryInteger, _ help: String) {
        append(name, .gauge(Int(number)), help)
    }

    mutating func gauge(_ name: String, _ number: Double, digits: Int, _ help: String) {
        append(name, .fraction(number, digits: digits), help)
    }

    mutating func text(_ name: String, _ text: String, _ help: String) {
        append(name, .text(text), help)
    }

    mutating func flag(_ name: String, _ isOn: Bool, _ help: String) {
        append(name, .text(isOn ? "yes" : "no"), help)
    }

    /// The page's part of a new zero.
    var counts: [String: UInt64] {
        var counts: [String: UInt64] = [:]
        for statistic in shown + hidden {
            if case .counter(let count) = statistic.value { counts[statistic.name] = count }
        }
        return counts
    }

    /// What is shown. Nowhere else is one counter subtracted from another reading of it; `zero` was
    /// taken before.
    func since(_ zero: [String: UInt64]) -> [Statistic] {
        shown.map { statistic in
            guard case .counter(let count) = statistic.value else { return statistic }
            var statistic = statistic
            statistic.value = .counter(count.since(zero[statistic.name] ?? 0))
            return statistic
        }
    }
}
