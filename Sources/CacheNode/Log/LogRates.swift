/// How often lines of one kind are told: a peer that can make the node say something can make it say that
/// thousands of times a second.
struct LogRates {
    /// The place in the source that says something.
    struct Kind: Hashable {
        var file: String
        var line: UInt
    }

    private struct Count {
        var windowStart: Int
        var toldCount = 0
        var leftOutCount = 0
        /// The latest of those that were left out.
        var message = ""
    }

    private var counts: [Kind: Count] = [:]
    /// The earliest moment at which something that was left out may be told.
    private var dueSeconds: Int?

    static let windowSeconds = 10
    static let linesPerWindow = 20

    /// Whether something was left out and is not told yet.
    var hasLeftOut: Bool { dueSeconds != nil }

    /// Whether this line is to be told now. As many kinds are remembered as the source has.
    mutating func admits(_ kind: Kind, message: String, at seconds: Int) -> Bool {
        var count = counts[kind] ?? Count(windowStart: seconds)
        if seconds - count.windowStart >= Self.windowSeconds, count.leftOutCount == 0 {
            count = Count(windowStart: seconds)
        }
        let isAdmitted = count.toldCount < Self.linesPerWindow
        if isAdmitted {
            count.toldCount += 1
        } else {
            count.leftOutCount += 1
            count.message = message
            let due = count.windowStart + Self.windowSeconds
            dueSeconds = min(due, dueSeconds ?? due)
        }
        counts[kind] = count
        return isAdmitted
    }

    /// A line for each kind of which lines were left out and whose time is over.
    mutating func due(at seconds: Int) -> [String] {
        guard let dueSeconds, seconds >= dueSeconds else { return [] }
        self.dueSeconds = nil
        var lines: [String] = []
        for (kind, count) in counts where count.leftOutCount > 0 {
            let due = count.windowStart + Self.windowSeconds
            guard seconds >= due else {
                self.dueSeconds = min(due, self.dueSeconds ?? due)
                continue
            }
            lines.append("\(count.message) (and \(count.leftOutCount - 1) more like it)")
            counts[kind] = nil
        }
        return lines
    }
}
