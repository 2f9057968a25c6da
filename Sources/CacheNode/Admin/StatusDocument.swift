import SessionMap

/// `/status.json`: all that the page shows of this node. Its fields are described in cluster/admin.md; they may become more.
struct StatusDocument {
    let context: NodeContext
    let ownName: String?

    func json(_ watches: [SpaceWatch], _ standing: NodeStanding, memberCount: Int) -> JSON {
        let first = watches.first?.space
        let uptime = first.map { Int($0.uptime($0.clock.now())) } ?? 0
        return .object([
            ("node", ownName.map { .text($0) } ?? .null),
            ("version", .text(context.rules.version)),
            ("uptime", .count(uptime)),
            ("time", .count(Int(first?.clock.now().wallSeconds ?? 0))),
            ("threads", .count(context.rules.threadCount)),
            ("healthy", .flag(standing.isHealthy)),
            ("late", .list(standing.late.map { .text($0) })),
            ("ready", .flag(standing.isReady)),
            ("obstacles", .list(standing.obstacles.map { .text($0) })),
            ("members", .count(memberCount)),
            ("spaces", .list(watches.map(space))),
        ])
    }

    private func space(_ watch: SpaceWatch) -> JSON {
        let space = watch.space
        let reading = StatisticsReading(context, space, now: space.clock.now())
        let facts = watch.facts(reading)
        return .object([
            ("name", .text(space.name)),
            ("verdicts", .list(facts.verdicts.map(verdict))),
            ("memory", memory(facts, reading)),
            (
                "rates",
                .object(
                    zip(Series.allCases, watch.latest).map { ($0.rawValue, .number(Double($1))) })
            ),
            ("top", .list(TopQuestion.allCases.map { top($0, of: space) })),
            ("latencies", .list(space.latenciesSinceStart().map(latency))),
            ("statistics", statistics(reading.list(.general).since([:]))),
            ("settings", statistics(reading.list(.settings).since([:]))),
            ("sessions", statistics(reading.list(.sessions).since([:]))),
            ("clients", statistics(reading.list(.clients).since([:]))),
            ("restarts", statistics(reading.list(.restarts).since([:]))),
        ])
    }

    /// Ten of each.
    private func top(_ question: TopQuestion, of space: Space) -> JSON {
        let entries = space.top(question, count: 10).map { entry in
            JSON.object([
                ("name", .text(entry.name)), ("count", .number(Double(entry.count))),
                ("error", .number(Double(entry.error))),
            ])
        }
        return .object([
            ("question", .text(question.rawValue)), ("title", .text(question.title)),
            ("unit", .text(question.unit)), ("entries", .list(entries)),
        ])
    }

    private func latency(_ times: LatencySnapshot) -> JSON {
        .object([
            ("family", .text(times.family)), ("protocol", .text(times.protocolName)),
            ("count", .number(Double(times.count))),
            ("p50", .number(Double(times.microseconds(quantile: 0.5)))),
            ("p90", .number(Double(times.microseconds(quantile: 0.9)))),
            ("p99", .number(Double(times.microseconds(quantile: 0.99)))),
            ("p999", .number(Double(times.microseconds(quantile: 0.999)))),
        ])
    }

    private func verdict(_ verdict: Verdict) -> JSON {
        .object([
            ("question", .text(verdict.question.rawValue)),
            ("title", .text(verdict.question.title)), ("light", .text(verdict.light.rawValue)),
            ("says", .text(verdict.sentence)), ("do", .text(verdict.question.advice)),
            ("rule", .text(verdict.question.rule)),
        ])
    }

    private func memory(_ facts: Facts, _ reading: StatisticsReading) -> JSON {
        .object([
            ("limit", .count(facts.limitBytes)), ("used", .count(facts.usedBytes)),
            ("proven", .count(reading.map.provenByteCount)),
            ("probationary", .count(reading.map.probationaryByteCount)),
            ("index", .count(reading.map.indexByteCount)),
        ])
    }

    private func statistics(_ list: [Statistic]) -> JSON {
        .object(
            list.map { statistic in
                switch statistic.value {
                case .counter(let count): (statistic.name, .number(Double(count)))
                case .gauge(let number): (statistic.name, .count(number))
                case .fraction(let number, _): (statistic.name, .number(number))
                case .text(let text): (statistic.name, .text(text))
                }
            })
    }

    /// What other members show of this one, a line each.
    func brief(_ watches: [SpaceWatch], _ standing: NodeStanding) -> [(name: String, value: String)]
    {
        var lines = [
            ("version", context.rules.version), ("healthy", standing.isHealthy ? "yes" : "no"),
            ("ready", standing.isReady ? "yes" : "no"),
        ]
        if let obstacle = (standing.late + standing.obstacles).first {
            lines.append(("obstacle", obstacle.filter { $0 != "\n" }))
        }
        var (red, amber): ([String], [String]) = ([], [])
        var sums: [Series: Double] = [:]
        var limit = 0
        for watch in watches {
            let facts = watch.facts(
                StatisticsReading(context, watch.space, now: watch.space.clock.now()))
            for verdict in facts.verdicts {
                if verdict.light == .red { red.append(verdict.question.title) }
                if verdict.light == .amber { amber.append(verdict.question.title) }
            }
            for series in Self.briefSeries { sums[series, default: 0] += watch[series] }
            limit += facts.limitBytes
        }
        lines += Self.briefSeries.map { ($0.rawValue, JSON.text(sums[$0] ?? 0)) }
        lines.append(("limit_bytes", String(limit)))
        if !red.isEmpty { lines.append(("red", red.joined(separator: " "))) }
        if !amber.isEmpty { lines.append(("amber", amber.joined(separator: " "))) }
        return lines
    }

    private static let briefSeries: [Series] = [
        .gets, .sets, .items, .usedBytes, .connections, .loggedOut, .processorPercent,
    ]

    /// `/history.json`: of one space, the latest at the end.
    static func history(_ watch: SpaceWatch) -> JSON {
        func series(_ ring: History.Ring) -> JSON {
            .object(
                Series.allCases.map { series in
                    let values = ring.last(
                        ring.capacity, of: SeriesReading.places[series] ?? 0)
                    return (series.rawValue, .list(values.map { .number(Double($0)) }))
                })
        }
        return .object([
            ("space", .text(watch.space.name)), ("bytes", .count(watch.history.byteCount)),
            (
                "titles",
                .object(Series.allCases.map { ($0.rawValue, .text($0.title)) })
            ),
            ("fine", .object([("seconds", .count(1)), ("series", series(watch.history.fine))])),
            (
                "coarse",
                .object([
                    ("seconds", .count(History.coarseSeconds)),
                    ("series", series(watch.history.coarse)),
                ])
            ),
        ])
    }
}

extension TopQuestion {
    fileprivate var title: String {
        switch self {
        case .reads: "Sessions by reads"
        case .rewrites: "Sessions by writes"
        case .unchangedRewrites: "Sessions by writes that changed nothing"
        case .size: "Largest sessions"
        case .growth: "Sessions that grow"
        case .creators: "New sessions by address"
        }
    }

    fileprivate var unit: String {
        switch self {
        case .size, .growth: "Bytes"
        case .reads, .rewrites, .unchangedRewrites, .creators: "Count"
        }
    }
}
