import Cluster

/// Copies in a dictionary: the rules of commands and of stamps, and nothing else. What the node's own store does
/// with memory is tested with the node's own store.
struct ModelStore: ReplicaStore {
    private(set) var states: [[UInt8]: KeyState] = [:]
    private var versions: VersionClock
    /// Microseconds since 2025, as this machine believes. Whoever runs it sets it.
    var wall: UInt64
    private let owners: ([UInt8]) -> (first: Int, second: Int?)
    private let me: Int

    static let rangeCount = 16

    init(
        me: Int, wall: UInt64, owners: @escaping ([UInt8]) -> (first: Int, second: Int?)
    ) {
        self.me = me
        self.wall = wall
        self.owners = owners
        versions = VersionClock(member: UInt8(me), shard: 0)
    }

    var clock: UInt64 { max(versions.lastMicroseconds, wall) }
    mutating func follow(clock: UInt64) { versions.follow(microseconds: clock, now: wall) }

    private func item(_ key: [UInt8]) -> KeyState? {
        states[key].flatMap { $0.kind == .item ? $0 : nil }
    }

    mutating func perform(_ request: Request) -> (outcome: Outcome, changed: KeyState?) {
        let old = item(request.key)
        switch request.verb {
        case .get:
            guard let old else { return (Outcome(.miss), nil) }
            return (Outcome(.hit, version: old.stamp.version, value: old.value), nil)
        case .set: return store(request, request.value)
        case .add: return old == nil ? store(request, request.value) : (Outcome(.notStored), nil)
        case .replace:
            return old == nil ? (Outcome(.notStored), nil) : store(request, request.value)
        case .append:
            guard let old else { return (Outcome(.notStored), nil) }
            return store(request, old.value + request.value)
        case .prepend:
            guard let old else { return (Outcome(.notStored), nil) }
            return store(request, request.value + old.value)
        case .compareAndSwap:
            guard let old else { return (Outcome(.notFound), nil) }
            guard old.stamp.version == request.comparison else { return (Outcome(.exists), nil) }
            return store(request, request.value)
        case .increment, .decrement:
            guard let old else { return (Outcome(.notFound), nil) }
            guard let number = UInt64(String(decoding: old.value, as: UTF8.self)) else {
                return (Outcome(.notANumber), nil)
            }
            let new =
                request.verb == .increment
                ? number &+ request.delta : number - min(number, request.delta)
            var (outcome, state) = store(request, Array(String(new).utf8))
            outcome.result = .number
            outcome.number = new
            return (outcome, state)
        case .delete:
            guard old != nil else { return (Outcome(.notFound), nil) }
            var state = next(request.key, isNew: true)
            state.kind = .tombstone
            states[request.key] = state
            return (Outcome(.deleted), state)
        case .touch, .getAndTouch:
            return old == nil ? (Outcome(.notFound), nil) : (Outcome(.touched), nil)
        }
    }

    private mutating func store(
        _ request: Request, _ value: [UInt8]
    ) -> (outcome: Outcome, changed: KeyState?) {
        var state = next(request.key, isNew: item(request.key) == nil)
        state.value = value
        states[request.key] = state
        return (Outcome(.stored, version: state.stamp.version), state)
    }

    /// An empty state above what is known of the key.
    private mutating func next(_ key: [UInt8], isNew: Bool, above: Stamp = .none) -> KeyState {
        let known = max(states[key]?.stamp ?? .none, above)
        let version = versions.make(above: known.version, now: wall)
        let birth =
            isNew ? VersionClock.birth(of: version, notBefore: known.birth) : known.birth
        return KeyState(key: key, stamp: Stamp(birth: birth, version: version), kind: .item)
    }

    mutating func apply(_ state: KeyState) -> Stamp? {
        let known = states[state.key]?.stamp ?? .none
        guard state.stamp >= known else { return known }
        states[state.key] = state
        versions.follow(
            microseconds: VersionClock.microseconds(of: state.stamp.version), now: wall)
        return nil
    }

    func stamp(of key: [UInt8]) -> Stamp { states[key]?.stamp ?? .none }

    mutating func raise(_ key: [UInt8], above stamp: Stamp) -> KeyState? {
        guard var state = states[key] else { return nil }
        state.stamp = next(key, isNew: false, above: stamp).stamp
        states[key] = state
        return state
    }

    // MARK: Comparing

    private func hash(_ key: [UInt8]) -> UInt64 {
        key.reduce(14_695_981_039_346_656_037) { ($0 ^ UInt64($1)) &* 1_099_511_628_211 }
    }

    private func isShared(_ key: [UInt8], with peer: Int) -> Bool {
        let (first, second) = owners(key)
        return first == me && second == peer || first == peer && second == me
    }

    private func shared(with peer: Int) -> [KeyState] {
        states.values.filter { isShared($0.key, with: peer) }
    }

    func digests(sharedWith peer: Int) -> [UInt64] {
        var digests = [UInt64](repeating: 0, count: Self.rangeCount)
        for state in shared(with: peer) {
            let key = hash(state.key)
            let mixed =
                (key ^ state.stamp.version &* 0x9E37_79B9_7F4A_7C15) &+ UInt64(state.stamp.birth)
            digests[Int(key % UInt64(Self.rangeCount))] ^= mixed &* 0xD6E8_FEB8_6659_FD93
        }
        return digests
    }

    func list(range: Int, sharedWith peer: Int) -> [ListedState] {
        shared(with: peer).map { ListedState(hash: hash($0.key), stamp: $0.stamp) }
            .filter { Int($0.hash % UInt64(Self.rangeCount)) == range }
            .sorted { $0.hash < $1.hash }
    }

    func states(hash wanted: UInt64, sharedWith peer: Int) -> [KeyState] {
        shared(with: peer).filter { hash($0.key) == wanted }
    }
}
