/// `STAT <name> <value>`: a line of a page of statistics, whose last line is `END`.
package struct StatisticLine: Equatable, Sendable {
    package var name: String
    /// What follows the name: it may have spaces, or be empty.
    package var value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    /// - Parameter line: without its end. Nothing for one of another kind.
    package init?(_ line: Span<UInt8>) {
        guard line.hasVerb("STAT"), let name = nextWord(in: line, from: 4) else { return nil }
        let value = line.extracting(min(name.end + 1, line.count)...)
        self.init(name: line.extracting(name.range).text, value: value.text)
    }

    package var line: String { "STAT \(name) \(value)\r\n" }
}

extension Span where Element == UInt8 {
    /// As UTF-8; what is none is replaced.
    package var text: String {
        withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }
}
