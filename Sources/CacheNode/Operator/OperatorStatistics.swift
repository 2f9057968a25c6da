/// `stats [general|settings|items|requests|latency|sessions|clients|restarts|top] [space=NAME]` on the operator's socket: a line for each space, or for the one that is named.
struct OperatorStatistics {
    let page: StatisticsPage
    let spaces: [Space]

    private static let pages: [String: StatisticsPage] = [
        "general": .general, "settings": .settings, "items": .items, "requests": .requests,
        "latency": .latency, "sessions": .sessions, "clients": .clients, "restarts": .restarts,
        "top": .top,
    ]
    private static let words =
        "general, settings, items, requests, latency, sessions, clients, restarts, top"

    struct Mistake: Error {
        let sentence: String
    }

    /// Nothing for another question.
    init?(_ line: [UInt8], of context: NodeContext) throws(Mistake) {
        let words = String(decoding: line, as: UTF8.self).split(separator: " ")
        guard words.first == "stats" else { return nil }
        var page = StatisticsPage.general
        var spaces = context.spaces.all
        for word in words.dropFirst() {
            if let named = Self.pages[String(word)] {
                page = named
                continue
            }
            guard word.hasPrefix("space=") else {
                throw Mistake(
                    sentence: "stats: expected \(Self.words) or space=NAME, not \"\(word)\"")
            }
            let name = word.dropFirst("space=".count)
            let names = spaces.map(\.name).joined(separator: ", ")
            spaces.removeAll { $0.name != name }
            guard !spaces.isEmpty else {
                throw Mistake(sentence: "there is no space \"\(name)\", but \(names)")
            }
        }
        self.page = page
        self.spaces = spaces
    }

    /// The last one says that there are no more.
    func lines(of context: NodeContext) -> [[UInt8]] {
        var last = ResultLine()
        last.add("result", "stats")
        last.add("spaces", spaces.map(\.name))
        return spaces.map { line(of: $0, context) } + [last.bytes]
    }

    private func line(of space: Space, _ context: NodeContext) -> [UInt8] {
        var line = ResultLine()
        line.add("space", space.name)
        for statistic in context.statistics(page, of: space, now: space.clock.now()) {
            line.add(statistic)
        }
        return line.bytes
    }
}

extension ResultLine {
    fileprivate mutating func add(_ statistic: Statistic) {
        switch statistic.value {
        case .counter(let count): add(statistic.name, Int(clamping: count))
        case .gauge(let number): add(statistic.name, number)
        case .fraction, .text: add(statistic.name, statistic.text)
        }
    }
}
