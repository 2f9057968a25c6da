import MemcacheProtocol
import SessionMap
import Synchronization

// What connections still call by its old name. A connection has a listener, whose space this is; when
// it asks that one itself, this file goes.
extension NodeContext {
    private var space: Space { spaces[0] }

    var map: SessionMap { space.map }
    var prefixes: PrefixStatistics { space.prefixes }
    var dumps: DumpRecord { space.dumps }
    var memoryLimitByteCount: Limit { Limit(context: self) }
    var tuning: TuningSwitch { TuningSwitch(context: self) }
    var verbosity: Verbosity { Verbosity(context: self) }

    struct Limit {
        fileprivate let context: NodeContext
        func store(_ byteCount: Int, ordering: AtomicStoreOrdering) {
            context.space.limitByteCount.store(byteCount, ordering: .relaxed)
        }
    }
    struct TuningSwitch {
        fileprivate let context: NodeContext
        func withLock<Result>(_ body: (inout sending Tuning) -> sending Result) -> sending Result {
            context.switches.tuning.withLock(body)
        }
    }
    struct Verbosity {
        fileprivate let context: NodeContext
        func store(_ level: Int, ordering: AtomicStoreOrdering) {
            context.switches.verbosity.store(level, ordering: .relaxed)
        }
    }
    @dynamicMemberLookup
    struct Rules {
        fileprivate let context: NodeContext
        var exptimeRule: ExptimeRule { context.rules.exptimeRule }

        subscript<Value>(dynamicMember path: KeyPath<NodeRules, Value>) -> Value {
            context.rules[keyPath: path]
        }
        subscript<Value>(dynamicMember path: KeyPath<ListenerRules, Value>) -> Value {
            context.rules.listener[keyPath: path]
        }
    }
    var configuration: Rules { Rules(context: self) }

    func resetStatistics() { resetStatistics(of: space) }

    func write(_ page: StatsPage, to output: inout OutputBuffer, now: Moment) {
        guard let page = StatisticsPage(page) else { preconditionFailure("no list") }
        var writer = StatisticsWriter()
        writer.write(statistics(page, of: space, now: now))
        output.append(writer.text())
    }
}
