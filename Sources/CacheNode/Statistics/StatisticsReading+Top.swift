/// `stats top [QUESTION]`: ten of each, or forty of one.
extension StatisticsReading {
    func addTops(to list: inout StatisticsList) {
        for question in TopQuestion.allCases { space.add(question, 10, to: &list) }
    }
}

extension Space {
    func tops(_ question: TopQuestion) -> [Statistic] {
        var list = StatisticsList()
        add(question, 40, to: &list)
        return list.since([:])
    }

    fileprivate func add(_ question: TopQuestion, _ count: Int, to list: inout StatisticsList) {
        for entry in top(question, count: count) {
            let name = "\(question.rawValue):\(entry.name)"
            list.gauge(name, Int(clamping: entry.count), question.help)
            guard entry.error > 0 else { continue }
            list.gauge("\(name):error", Int(clamping: entry.error), "It may be so much less")
        }
    }
}

extension TopQuestion {
    fileprivate var help: String {
        switch self {
        case .reads: "Reads of this session, of the last 10 to 20 minutes"
        case .rewrites: "Stores of this session in its own place, likewise"
        case .unchangedRewrites: "Stores of this session that changed nothing, likewise"
        case .size: "Bytes of this session's value, as seen last"
        case .growth: "Bytes by which this session's value has grown, likewise"
        case .creators: "Sessions that were stored anew from this address, likewise"
        }
    }
}
