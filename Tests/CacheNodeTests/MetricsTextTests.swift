import Testing

@testable import CacheNode
@testable import NodeStage

/// What stands on `/metrics`, apart from what promtool says to it.
@Suite(.timeLimit(.minutes(10)))
struct MetricsTextTests {
    @Test(
        "A statistic gets a name with its unit, and _total where it only grows",
        arguments: [
            ("get_hits", true, "get_hits_total", 1.0), ("curr_items", false, "curr_items", 1),
            ("lock_wait_us_total", true, "lock_wait_seconds_total", 1e-6),
            ("catchup_ms", false, "catchup_seconds", 1e-3),
            ("time_in_listen_disabled_us", false, "time_in_listen_disabled_seconds_total", 1e-6),
            ("uptime", false, "uptime_seconds", 1), ("bytes_read", true, "read_bytes_total", 1),
            ("items:1:age", false, "items_age_seconds", 1),
            ("rusage_user", false, "rusage_user_seconds_total", 1),
            ("limit_maxbytes", false, "limit_bytes", 1), ("total_items", true, "items_total", 1),
            ("read_buf_count", false, "read_buf_number", 1),
        ])
    func names(name: String, isCounter: Bool, wanted: String, scale: Double) throws {
        let statistic = Statistic(
            name: name, value: isCounter ? .counter(1) : .gauge(1), help: "Help")
        let metric = try #require(MetricName(statistic))
        #expect(metric.name == wanted && metric.scale == scale)
    }

    @Test("What is a word, or is always 0 for memcached's tools, is left out; members are labels")
    func others() throws {
        func metric(_ name: String, _ value: Statistic.Value, _ help: String) -> MetricName? {
            MetricName(Statistic(name: name, value: value, help: help))
        }
        #expect(metric("version", .text("1"), "The version") == nil)
        #expect(metric("malloc_fails", .counter(0), "Always 0: items live in memory") == nil)
        #expect(
            metric("hot_lru_pct", .gauge(1), "Of memcached's LRU segments; without effect") == nil)
        let skew = try #require(metric("clock_skew_ms_a.b_c", .gauge(-3), "By how much"))
        #expect(skew.name == "clock_skew_seconds" && skew.scale == 1e-3)
        #expect(skew.labels.map(\.value) == ["a.b_c"])
    }

    @Test("Families stand together, labels and help are quoted, numbers are exact")
    func text() {
        var text = MetricsText()
        text.add("a_total", .counter, "Help \\ of\nmine", 3, labels: [("space", "x\"\\\n")])
        text.add("b", .gauge, "B", 0.5)
        text.add("a_total", .counter, "Another", 9_007_199_254_740_991, labels: [("space", "y")])
        #expect(
            text.text == """
                # HELP a_total Help \\\\ of\\nmine
                # TYPE a_total counter
                a_total{space="x\\"\\\\\\n"} 3
                a_total{space="y"} 9007199254740991
                # HELP b B
                # TYPE b gauge
                b 0.5

                """)
        #expect(MetricsText.number(.nan) == "NaN" && MetricsText.number(.infinity) == "+Inf")
        #expect(MetricsText.number(1_234 * 1e-6) == "0.001234" && MetricsText.number(-2) == "-2")
        var histogram = MetricsText()
        histogram.addHistogram(
            "h_seconds", "H", labels: [("f", "get")], buckets: [(0.001, 2), (0.5, 3)], sum: 0.75,
            count: 4)
        #expect(
            histogram.text == """
                # HELP h_seconds H
                # TYPE h_seconds histogram
                h_seconds_bucket{f="get",le="0.001"} 2
                h_seconds_bucket{f="get",le="0.5"} 3
                h_seconds_bucket{f="get",le="+Inf"} 4
                h_seconds_sum{f="get"} 0.75
                h_seconds_count{f="get"} 4

                """)
    }

    @Test("A reset is for people: what monitors read goes on")
    func reset() throws {
        let node = try InProcessNode(spaceCount: 2)
        _ = try node.reply(to: "set a 0 0 1\r\nx\r\nget a\r\nget b\r\n")
        let metrics = NodeMetrics(context: node.context, ownName: "n")
        let before = metrics.text(NodeStanding())
        #expect(before.contains("sojourn_get_hits_total{space=\"default\"} 1\n"))
        #expect(before.contains("sojourn_get_hits_total{space=\"space1\"} 0\n"))
        #expect(before.contains("sojourn_build_info{version=\"0.1.0\",node=\"n\"} 1\n"))
        #expect(before.components("\nsojourn_rusage_user_seconds_total ") == 1)
        _ = try node.reply(to: "stats reset\r\n")
        #expect(try node.reply(to: "stats\r\n").contains("STAT get_hits 0\r\n"))
        let after = metrics.text(NodeStanding(late: ["main"]))
        #expect(after.contains("sojourn_get_hits_total{space=\"default\"} 1\n"))
        #expect(after.contains("\nsojourn_healthy 0\n") && before.contains("\nsojourn_healthy 1\n"))
    }
}

extension String {
    /// How often something stands in it.
    fileprivate func components(_ part: String) -> Int { split(separator: part).count - 1 }
}
