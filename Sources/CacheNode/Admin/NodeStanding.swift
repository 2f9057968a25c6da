import Synchronization

/// Whether a node is well, and whether it is to be sent requests: what `/healthz` and `/readyz` answer.
struct NodeStanding: Equatable {
    /// Threads that have not come around for too long.
    var late: [String] = []
    /// Why nobody should ask it, in sentences.
    var obstacles: [String] = []

    var isHealthy: Bool { late.isEmpty }
    var isReady: Bool { isHealthy && obstacles.isEmpty }

    init(late: [String] = [], obstacles: [String] = []) {
        (self.late, self.obstacles) = (late, obstacles)
    }

    init(_ context: NodeContext, late: [String]) {
        self.late = late
        for space in context.spaces.all {
            let name = context.spaces.all.count > 1 ? "space \(space.name): " : ""
            if let view = space.peers?.view(), !view.isServing {
                obstacles.append(name + view.sentence)
            }
            if !space.acceptance.isAccepting.load(ordering: .relaxed) {
                obstacles.append(
                    "\(name)no connection is accepted: "
                        + "\(space.acceptance.openCount.load(ordering: .relaxed)) are open, "
                        + "and \(space.configuration.connectionCountMax) may be")
            }
        }
    }
}

/// Whether threads come around, by their pulses, which are looked at each second.
///
/// Time is what it is looked at: while the machine, or the whole process, stands still, nobody is late.
struct Liveness {
    private struct Thread {
        let name: String
        let pulse: Pulse
        var seen: UInt64
        var looksSince = 0
    }

    /// A worker comes around each second at least.
    static let lookCountMax = 5
    private var threads: [Thread]

    init(of pulses: [(name: String, pulse: Pulse)]) {
        threads = pulses.map { Thread(name: $0.name, pulse: $0.pulse, seen: $0.pulse.value) }
    }

    mutating func look() {
        for place in threads.indices {
            let value = threads[place].pulse.value
            threads[place].looksSince =
                value == threads[place].seen ? threads[place].looksSince + 1 : 0
            threads[place].seen = value
        }
    }

    var late: [String] { threads.filter { $0.looksSince > Self.lookCountMax }.map(\.name) }
}

/// What the operator's port counts of itself, for any thread to read.
final class AdminTally: Sendable {
    let requests = Atomic<UInt64>(0)
    let failedLogins = Atomic<UInt64>(0)
    /// Of its thread, each second.
    let processorMicroseconds = Atomic<Int>(0)
}
