package import EventLoop
package import HashRing

/// All that a run is told: what the command line says, checked.
package struct LoadPlan: Sendable {
    package enum Workload: Sendable, Equatable {
        case mix(OperationMix)
        /// People and bots; so many times as many bots as people's traffic calls for.
        case sessions(bots: Int)
    }

    package enum Extent: Sendable, Equatable {
        case seconds(Double)
        case requests(Int)
    }

    package var servers = [Node(host: "127.0.0.1")]
    /// Which server has a key; its nodes are the servers, in their order. Nil is ketama.
    package var ring: Ring?
    package var connectionCount = 50
    package var threadCount = 1
    package var depth = 1
    /// Of an open loop, requests per second; a closed one without.
    package var rate: Double?
    package var extent = Extent.seconds(10)
    package var warmUpSeconds = 1.0
    package var timeoutSeconds = 10
    package var wire = WireProtocol.text
    package var workload = Workload.mix(OperationMix([(.get, 1)]))
    package var keyCount = 10_000
    /// Not what applications' sessions begin with: a load on a node in use leaves them alone.
    package var keyPrefix = "load:"
    package var keyByteCounts = ByteCounts.fixed(40)
    package var valueByteCounts = ByteCounts.fixed(100)
    package var valueByteCountMax = 1 << 20
    package var keysPerGet = 1
    package var exptime: Int32 = 0
    package var hasQuietSets = false
    package var toleratesMisses = false
    package var seed: UInt64 = 1
    /// TLS with all servers; nil is clear text.
    package var tls: TLSClientContext?
    /// What is sent on each connection before any request, and is answered STORED.
    package var login: [UInt8]?
    /// The servers' processes, whose CPU time is to be told.
    package var serverProcessIDs: [Int32] = []

    package init() {}

    /// Whether no operation changes what an item is: then a key may be several connections'.
    package var isReadOnly: Bool {
        guard case .mix(let mix) = workload else { return false }
        return mix.operations.allSatisfy { [.get, .gat, .touch, .echo].contains($0) }
    }

    package var keyFormat: KeyFormat { KeyFormat(prefix: keyPrefix, lengths: keyByteCounts) }

    var values: ValueMaker {
        var variesWithRevision = false
        if case .sessions = workload { variesWithRevision = true }
        return ValueMaker(
            lengths: valueByteCounts, limit: valueByteCountMax,
            variesWithRevision: variesWithRevision)
    }
}

package enum LoadError: Error, CustomStringConvertible {
    case connectFailed(String)
    case fillFailed(String)
    case noProcess(Int32)
    case system(String)

    package var description: String {
        switch self {
        case .connectFailed(let reason): "cannot connect: \(reason)"
        case .fillFailed(let reason): "the keys could not be stored: \(reason)"
        case .noProcess(let id): "there is no process \(id) to read CPU times of"
        case .system(let reason): reason
        }
    }
}
