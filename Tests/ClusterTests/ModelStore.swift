import Cluster

/// Copies in a dictionary: the rules of commands and of stamps, and nothing else. What the node's own store does
/// with memory is tested with the node's own store.
final class ModelStore: SimulatedStore {
    private(set) var states: [[UInt8]: KeyState] = [:]
    private var versions: VersionClock
    /// Microseconds since 2025, as this machine believes. Whoever runs it sets it.
    var wall: UInt64 = 0
    private let owners: ([UInt8]) -> (first: Int, second: Int?)
    private let me: Int
    private var unsettled: Set<[UInt8]> = []

    init(
        me: Int, memberCount: Int,
        owners: @escaping @Sendable ([UInt8]) -> (first: Int, second: Int?)
    ) {
        self.me = me
        self.owners = owners
        versions = VersionClock(member: UInt8(me))
    }

    var clock: UInt64 { max(versions.lastMicroseconds, wall) }
    func follow(clock: UInt64) { versions.follow(microseconds: clock, now: wall) }

    private func item(_ key: [UInt8]) -> KeyState? {
        states[key].flatMap { $0.kind == .item ? $0 : nil }
    }

    func perform(_ request: Request) -> (outcome: Outcome, change: Change) {
        guard let command = ModelCommand(request.command) else { return (told(.miss), .none) }
        if isStandIn { mayHaveGuests = true }
        let old = item(request.key)
        switch command.verb {
        case .flush: return (told(.miss), .none)
        case .get: return (told(old == nil ? .miss : .hit, old?.value ?? []), .none)
        case .renew:
            return (told(old == nil ? .miss : .hit, old?.value ?? []), old == nil ? .none : .note)
        case .set: return store(request.key, command.value)
        case .add: return old == nil ? store(request.key, command.value) : (told(.notStored), .none)
        case .append:
            guard let old else { return (told(.notStored), .none) }
            return store(request.key, old.value + command.value)
        case .delete:
            guard old != nil || isStandIn else { return (told(.notFound), .none) }
            var state = next(request.key, isNew: true)
            state.kind = .tombstone
            states[request.key] = state
            return (told(old == nil ? .notFound : .deleted), .state(state))
        }
    }

    private func told(_ result: ModelOutcome.Result, _ value: [UInt8] = []) -> Outcome {
        ModelOutcome(result, value: value).outcome
    }

    private func store(
        _ key: [UInt8], _ value: [UInt8]
    ) -> (outcome: Outcome, change: Change) {
        var state = next(key, isNew: item(key) == nil)
        state.value = value
        states[key] = state
        return (told(.stored), .state(state))
    }

    /// What a new process does not know.
    func restart() {
        unsettled = []
        isStandIn = false
        mayHaveGuests = true
    }

    func lose() {
        states = [:]
        flushed = .none
        versions = VersionClock(member: UInt8(me))
        restart()
    }

    var contents: [[UInt8]: KeyState] { states }

    static func command(_ command: ModelCommand, key: [UInt8]) -> [UInt8] { command.bytes }
    static func outcome(_ outcome: Outcome, of verb: ModelCommand.Verb) -> ModelOutcome? {
        ModelOutcome(outcome)
    }

    func unsettle(_ key: [UInt8]) {
        precondition(unsettled.insert(key).inserted, "a key that is unsettled twice")
    }

    func settle(_ key: [UInt8]) {
        precondition(unsettled.remove(key) != nil, "a key that is settled already")
    }

    /// An empty state above what is known of the key.
    private func next(_ key: [UInt8], isNew: Bool, above: Stamp = .none) -> KeyState {
        let known = max(states[key]?.stamp ?? .none, above, flushed)
        let version = versions.make(above: known.version, now: wall)
        let birth =
            isNew ? VersionClock.birth(of: version, notBefore: known.birth) : known.birth
        return KeyState(key: key, stamp: Stamp(birth: birth, version: version), kind: .item)
    }

    func reading(of request: Request) -> Request? {
        guard ModelCommand(request.command)?.verb == .renew else { return nil }
        return Request(
            number: request.number, isRead: true, key: request.key,
            command: Self.command(ModelCommand(.get), key: request.key))
    }
    func refusal(of request: Request) -> Outcome { told(.refused) }

    func apply(_ state: KeyState) -> Stamp? {
        let known = stamp(of: state.key)
        guard state.stamp >= known, state.stamp > flushed else { return max(known, flushed) }
        states[state.key] = state
        versions.follow(
            microseconds: VersionClock.microseconds(of: state.stamp.version), now: wall)
        return nil
    }

    func state(of key: [UInt8]) -> KeyState? { states[key] }
    func stamp(of key: [UInt8]) -> Stamp { states[key]?.stamp ?? .none }

    // How long an item lives is nothing to the model: that a note has gone on its way is.
    func note(of key: [UInt8]) -> Note? {
        item(key).map { Note(key: key, stamp: $0.stamp, secondsLeft: nil, marks: 0) }
    }

    var isComparing = false
    /// It forgets no deletion.
    let forgotten: UInt64 = 0
    var isStandIn = false
    private(set) var mayHaveGuests = false

    func keep(_ state: KeyState) -> Stamp? {
        mayHaveGuests = true
        return apply(state)
    }

    func discard(_ key: [UInt8]) { states[key] = nil }

    func lacks(whatIsNeededBy request: Request) -> Bool {
        guard states[request.key] == nil else { return false }
        switch ModelCommand(request.command)?.verb {
        case .set, .add, .delete, .flush, nil: return false
        case .get, .renew, .append: return true
        }
    }

    func drop(where isForeign: @escaping ([UInt8]) -> Bool) -> Bool {
        mayHaveGuests = false
        states = states.filter { !isForeign($0.key) }
        return true
    }

    func end(_ state: KeyState) -> KeyState {
        var end = next(state.key, isNew: true, above: state.stamp)
        end.kind = .tombstone
        states[state.key] = end
        return end
    }

    func raise(_ key: [UInt8], above stamp: Stamp) -> KeyState? {
        guard var state = states[key] else { return nil }
        state.stamp = next(key, isNew: false, above: stamp).stamp
        states[key] = state
        return state
    }

    // MARK: Flushing

    private(set) var flushed = Stamp.none

    func flush(_ stamp: Stamp) {
        guard stamp > flushed else { return }
        flushed = stamp
        states = states.filter { $0.value.stamp > stamp }
    }

    // MARK: Comparing

    private func hash(_ key: [UInt8]) -> UInt64 {
        let hash = key.reduce(14_695_981_039_346_656_037 as UInt64) {
            ($0 ^ UInt64($1)) &* 1_099_511_628_211
        }
        return (hash ^ hash >> 32) &* 0xD6E8_FEB8_6659_FD93
    }

    private func isShared(_ key: [UInt8], with peer: Int) -> Bool {
        let (first, second) = owners(key)
        return first == me && second == peer || first == peer && second == me
    }

    func survey(sharedWith peer: Int) -> Survey { survey { key, _ in isShared(key, with: peer) } }

    func survey(_ isShared: ([UInt8], Stamp) -> Bool) -> Survey {
        Survey(
            states.values.filter { isShared($0.key, $0.stamp) }
                .map { SurveyedState(hash: hash($0.key), place: 0, stamp: $0.stamp) })
    }

    func states(of found: SurveyedState) -> [KeyState] {
        states.values.filter { hash($0.key) == found.hash }
    }
}
