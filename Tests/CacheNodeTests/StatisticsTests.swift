import SessionMap
import Synchronization
import Testing

@testable import CacheNode
@testable import NodeStage

/// The pages as lists, before they are written in any format.
@Suite(.timeLimit(.minutes(10)))
struct StatisticsTests {
    /// A node on which every statistic is shown.
    private func nodeThatShowsAll() throws -> InProcessNode {
        var configuration = NodeConfiguration.small
        configuration.tracksSizes = true
        configuration.idleTimeoutSeconds = 1_000
        configuration.eviction = .probation(sharePercent: 50, proofAgeSeconds: 1)
        let node = try InProcessNode(configuration)
        _ = try node.reply(to: "set a 0 0 1\r\nx\r\nget a b\r\ndelete b\r\n")
        return node
    }

    private func list(_ page: StatisticsPage, of node: InProcessNode) -> [Statistic] {
        node.context.statistics(page, of: node.space, now: node.now)
    }

    private func values(_ list: [Statistic]) -> [String: Statistic.Value] {
        Dictionary(uniqueKeysWithValues: list.map { ($0.name, $0.value) })
    }

    private func check(_ list: [Statistic]) {
        #expect(Set(list.map(\.name)).count == list.count)
        for statistic in list {
            let name = Comment(rawValue: statistic.name)
            #expect(!statistic.name.isEmpty && !statistic.name.contains(" "), name)
            #expect(statistic.help.count > 3 && statistic.help.count < 90, name)
            #expect(statistic.help.allSatisfy { !$0.isNewline }, name)
            #expect(statistic.help.last != ".", name)
        }
    }

    @Test("Every entry of every page has a name of its own, and one line of help")
    func entries() throws {
        let bare = try InProcessNode()
        let node = try nodeThatShowsAll()
        for page in StatisticsPage.allCases {
            check(list(page, of: bare))
            check(list(page, of: node))
            let mayBeEmpty: Set<StatisticsPage> = [.items, .slabs, .top]
            #expect(mayBeEmpty.contains(page) || !list(page, of: node).isEmpty)
        }
        let record = node.open().connection.record
        node.worker.connections.withLock { $0[record.descriptor] = record }
        for entry in [ConnectionEntry.client(record, node.worker), .listener(7)] {
            let list = entry.statistics(node.space, now: node.now)
            #expect(list.count > 2)
            check(list)
        }
        #expect(list(.general, of: node).count == 114)
        #expect(list(.settings, of: node).count > 60)
    }

    @Test("A kind says what a value is")
    func kinds() throws {
        let general = list(.general, of: try nodeThatShowsAll())
        func kind(_ name: String) -> Statistic.Kind? { general.first { $0.name == name }?.kind }
        #expect(kind("get_hits") == .counter && kind("evictions") == .counter)
        #expect(kind("curr_items") == .gauge && kind("rusage_user") == .gauge)
        #expect(kind("version") == .text && kind("pid") == .text)
        func text(_ value: Statistic.Value) -> String {
            Statistic(name: "", value: value, help: "").text
        }
        #expect(text(.counter(.max)) == "18446744073709551615" && text(.gauge(-1)) == "-1")
        #expect(text(.fraction(0.5, digits: 2)) == "0.50" && text(.text("no")) == "no")
    }

    @Test("A reset sets counters to zero, and nothing else")
    func reset() throws {
        let node = try nodeThatShowsAll()
        // What times were like is told of those since the reset.
        let pages = StatisticsPage.allCases.filter { $0 != .sizes && $0 != .latency }
        let before = pages.map { list($0, of: node) }
        #expect(try node.reply(to: "stats reset\r\n") == "RESET\r\n")
        for (page, before) in zip(pages, before) {
            let values = values(before)
            for statistic in list(page, of: node) {
                // The connection and the time that asking took.
                let moving = ["curr_connections", "connection_structures", "rusage_user"]
                guard !moving.contains(statistic.name), statistic.name != "rusage_system" else {
                    continue
                }
                if statistic.kind == .counter {
                    let isAsking = ["bytes_read", "bytes_written", "text:other"]
                        .contains(statistic.name)
                    #expect(statistic.value == .counter(0) || isAsking, "\(statistic)")
                } else {
                    #expect(statistic.value == values[statistic.name], "\(statistic)")
                }
            }
        }
        let counts = values(before[0])
        #expect(counts["get_hits"] == .counter(1) && counts["get_misses"] == .counter(1))
    }

    @Test("A reset finds counters that are not shown when it comes")
    func hiddenCounters() throws {
        let node = try InProcessNode()
        _ = try node.reply(to: "set a 0 1 1\r\nx\r\nget a\r\nlru_crawler crawl all\r\ndelete a\r\n")
        #expect(values(list(.general, of: node))["lru_crawler_starts"] == .counter(1))
        _ = try node.reply(to: "lru_crawler disable\r\n")
        #expect(values(list(.general, of: node))["lru_crawler_starts"] == nil)
        // Nor is a class without items.
        #expect(list(.slabs, of: node).count == 2 && list(.items, of: node).isEmpty)
        _ = try node.reply(to: "stats reset\r\n")
        _ = try node.reply(to: "lru_crawler enable\r\nset a 0 0 1\r\nx\r\n")
        #expect(values(list(.general, of: node))["lru_crawler_starts"] == .counter(0))
        let slabs = values(list(.slabs, of: node))
        #expect(slabs["1:get_hits"] == .counter(0) && slabs["1:cmd_set"] == .counter(1))
    }

    @Test("Pages and resets on several threads never tell of less than nothing")
    func resetsBesidePages() throws {
        let node = try InProcessNode()
        let (context, space) = (node.context, node.space)
        let largest = Mutex(UInt64(0))
        NodeThread.each(3, threadCount: 3) { number in
            for _ in 0..<200 {
                switch number {
                case 0: context.resetStatistics(of: space)
                case 1: space.counters[0].add(.getHits)
                default:
                    let list = context.statistics(.general, of: space, now: space.clock.now())
                    let hits = list.first { $0.name == "get_hits" }?.value
                    if case .counter(let count) = hits { largest.withLock { $0 = max($0, count) } }
                }
            }
        }
        // Below zero it would be near the largest number there is.
        #expect(largest.withLock { $0 } <= 200)
    }
}
