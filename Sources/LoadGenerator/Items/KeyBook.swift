/// The keys that one connection owns, and what it knows of their items.
///
/// No other connection touches them, and a server carries out one connection's commands in order. So
/// what a reply must be is known when the request is sent.
final class KeyBook {
    struct State {
        var key: UInt64
        var revision: UInt32 = 0
        var presence = Presence.absent
    }

    private let states: UnsafeMutableBufferPointer<State>

    init(_ keys: some Collection<UInt64>) {
        states = .allocate(capacity: keys.count)
        _ = states.initialize(from: keys.lazy.map { State(key: $0) })
    }

    deinit { states.deallocate() }

    var count: Int { states.count }

    subscript(place: Int) -> State {
        @inline(__always) get { states[place] }
        @inline(__always) set { states[place] = newValue }
    }

    @inline(__always)
    func asked(_ place: Int) -> Asked {
        let state = states[place]
        return Asked(
            key: state.key, place: place, revision: state.revision, presence: state.presence)
    }

    /// An item that the book took for stored, or could not be sure of, is not there.
    ///
    /// A later change of the same connection's, on its way already, wins.
    func noteMiss(_ asked: Asked) -> Bool {
        let state = states[asked.place]
        guard state.key == asked.key, state.revision == asked.revision, state.presence != .absent
        else { return false }
        states[asked.place].presence = .absent
        return true
    }
}

/// Which keys belong to which connection: dealt in turn, to connections of the node they are on.
struct KeyDealing: Sendable {
    let keyCount: Int
    let connectionCount: Int
    let placement: Placement
    /// By node; empty when there is but one.
    private let keysOfNode: [[UInt64]]

    init(keyCount: Int, connectionCount: Int, placement: Placement, keyFormat: KeyFormat) {
        self.keyCount = keyCount
        self.connectionCount = connectionCount
        self.placement = placement
        guard placement.nodeCount > 1 else {
            keysOfNode = []
            return
        }
        var keysOfNode = [[UInt64]](repeating: [], count: placement.nodeCount)
        for number in 0..<UInt64(keyCount) {
            keysOfNode[placement.node(of: keyFormat.key(number))].append(number)
        }
        self.keysOfNode = keysOfNode
    }

    func node(ofConnection connection: Int) -> Int { connection % placement.nodeCount }

    /// The keys of a connection. Where there are fewer keys than connections, which only those that
    /// change nothing may have, one key is several connections'.
    func keys(ofConnection connection: Int) -> [UInt64] {
        let nodeCount = placement.nodeCount
        let place = connection / nodeCount
        let stride = (connectionCount - connection % nodeCount + nodeCount - 1) / nodeCount
        let keys = nodeCount > 1 ? keysOfNode[connection % nodeCount] : []
        let count = nodeCount > 1 ? keys.count : keyCount
        guard count > 0 else { return [] }
        let places =
            place < count
            ? Array(Swift.stride(from: place, to: count, by: stride)) : [place % count]
        return places.map { nodeCount > 1 ? keys[$0] : UInt64($0) }
    }
}
