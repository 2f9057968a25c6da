/// Writes statistics as the lines of a `stats` page.
struct StatisticsWriter: ~Copyable {
    private var lines = ""

    mutating func write(_ list: [Statistic]) {
        for statistic in list { lines += "STAT \(statistic.name) \(statistic.text)\r\n" }
    }

    consuming func text() -> String { lines }
}
