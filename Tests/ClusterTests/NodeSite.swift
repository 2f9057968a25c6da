import Cluster
import MemcacheProtocol
import NodeStage
import SessionMap

@testable import CacheNode
@testable import NodeStage

/// The node's own store, over a real map, with commands of the text protocol.
class NodeSite: SimulatedStore {
    /// Of deletions that are remembered, and of changes as many.
    class var tombstoneCountMax: Int { 10_000 }

    private let me: Int
    private let memberCount: Int
    private let owners: @Sendable ([UInt8]) -> (first: Int, second: Int?)
    private let time: Time
    private var node: InProcessNode
    private var store: NodeStore

    /// Shared with the store, which asks for it.
    private final class Time {
        var wall: UInt64 = 0
    }

    private static let seed: UInt64 = 17

    required init(
        me: Int, memberCount: Int,
        owners: @escaping @Sendable ([UInt8]) -> (first: Int, second: Int?)
    ) {
        self.me = me
        self.memberCount = memberCount
        self.owners = owners
        time = Time()
        node = Self.makeNode(me: me, memberCount: memberCount, owners: owners)
        store = Self.makeStore(node, me: me, time)
    }

    private static func makeNode(
        me: Int, memberCount: Int,
        owners: @escaping @Sendable ([UInt8]) -> (first: Int, second: Int?)
    ) -> InProcessNode {
        var configuration = NodeConfiguration.small
        configuration.memoryByteCount = 2 << 20
        configuration.itemByteCountMax = 64 << 10
        let members = (0..<memberCount).map {
            ($0, PeerDefinition.Member(name: "\($0)", host: "", port: 0))
        }
        configuration.peers = PeerConfiguration(
            PeerDefinition(
                members: Dictionary(uniqueKeysWithValues: members), hash: 0, owners: owners),
            me: me, clusterName: "simulated")
        do {
            return try InProcessNode(configuration)
        } catch {
            preconditionFailure("a node of 2 MB: \(error)")
        }
    }

    private static func makeStore(_ node: InProcessNode, me: Int, _ time: Time) -> NodeStore {
        NodeStore(
            member: UInt8(me), map: node.map, clock: node.space.clock, wall: { time.wall },
            performer: Performer(
                context: node.context, listener: node.listener, worker: node.worker),
            gates: ReadGates(memberCount: 1), seed: seed, tombstoneCountMax: tombstoneCountMax,
            hasEvicted: { false })
    }

    var wall: UInt64 {
        get { time.wall }
        set { time.wall = newValue }
    }

    func restart() { store = Self.makeStore(node, me: me, time) }

    func lose() {
        node = Self.makeNode(me: me, memberCount: memberCount, owners: owners)
        restart()
    }

    func survey(_ isShared: ([UInt8], Stamp) -> Bool) -> Survey {
        NodeStore.survey(
            node.map, store.deletions.all, seed: Self.seed, now: node.now.seconds, isShared)
    }

    var contents: [[UInt8]: KeyState] {
        var keys: [[UInt8]] = []
        var walk = ItemWalk()
        while node.map.step(&walk, now: node.now.seconds, { keys.append($0.withKey { Array($0) }) })
        {}
        return Dictionary(
            uniqueKeysWithValues: keys.compactMap { key in store.state(of: key).map { (key, $0) } })
    }

    // MARK: Words

    private static func name(_ key: [UInt8]) -> String { "key:\(key[1])" }

    static func command(_ command: ModelCommand, key: [UInt8]) -> [UInt8] {
        let name = String(decoding: key, as: UTF8.self)
        let line =
            switch command.verb {
            case .flush: "flush_all"
            case .get: "get \(name)"
            case .renew: "gat 0 \(name)"
            case .delete: "delete \(name)"
            case .set: "set \(name) 0 0 \(command.value.count)"
            case .add: "add \(name) 0 0 \(command.value.count)"
            case .append: "append \(name) 0 0 \(command.value.count)"
            }
        let hasValue = [.set, .add, .append].contains(command.verb)
        return Array("\(line)\r\n".utf8) + (hasValue ? command.value + Array("\r\n".utf8) : [])
    }

    static func outcome(_ outcome: Outcome, of verb: ModelCommand.Verb) -> ModelOutcome? {
        let lines = String(decoding: outcome.reply, as: UTF8.self).split(separator: "\r\n")
        switch lines.first {
        case "STORED": return ModelOutcome(.stored)
        case "NOT_STORED": return ModelOutcome(.notStored)
        case "NOT_FOUND": return ModelOutcome(.notFound)
        case "DELETED": return ModelOutcome(.deleted)
        case "END": return ModelOutcome(.miss)
        case let line? where line.hasPrefix("VALUE ") && lines.count == 3:
            return ModelOutcome(.hit, value: Array(lines[1].utf8))
        case let line? where line.hasPrefix("SERVER_ERROR no majority"):
            return ModelOutcome(.refused)
        default: return nil
        }
    }

    // MARK: The store

    func perform(_ request: Request) -> (outcome: Outcome, change: Change) {
        store.perform(request)
    }
    func reading(of request: Request) -> Request? { store.reading(of: request) }
    func refusal(of request: Request) -> Outcome { store.refusal(of: request) }
    func apply(_ state: KeyState) -> Stamp? { store.apply(state) }
    func released(_ state: KeyState) { store.released(state) }
    func keep(_ state: KeyState) -> Stamp? { store.keep(state) }
    func keep(_ note: Note) { store.keep(note) }
    func discard(_ key: [UInt8]) { store.discard(key) }
    func lacks(whatIsNeededBy request: Request) -> Bool { store.lacks(whatIsNeededBy: request) }
    var isStandIn: Bool {
        get { store.isStandIn }
        set { store.isStandIn = newValue }
    }
    var mayHaveGuests: Bool { store.mayHaveGuests }
    func changesByReading(_ key: [UInt8]) -> Bool { store.changesByReading(key) }
    func mayLack(whatIsNeededBy request: Request) -> Bool {
        store.mayLack(whatIsNeededBy: request)
    }
    func note(of key: [UInt8]) -> Note? { store.note(of: key) }
    func apply(_ note: Note) { store.apply(note) }
    func stamp(of key: [UInt8]) -> Stamp { store.stamp(of: key) }
    func state(of key: [UInt8]) -> KeyState? { store.state(of: key) }
    var isComparing: Bool {
        get { store.isComparing }
        set { store.isComparing = newValue }
    }
    func lacks(_ note: Note) -> Bool { store.lacks(note) }
    var forgotten: UInt64 { store.forgotten }
    func end(_ state: KeyState) -> KeyState { store.end(state) }
    func noteForgotten(until time: UInt64) { store.noteForgotten(until: time) }
    func drop(where isForeign: @escaping ([UInt8]) -> Bool) -> Bool {
        store.drop(where: isForeign)
    }
    func raise(_ key: [UInt8], above stamp: Stamp) -> KeyState? {
        store.raise(key, above: stamp)
    }
    var flushed: Stamp { store.flushed }
    func flush(_ stamp: Stamp) { store.flush(stamp) }
    func unsettle(_ key: [UInt8]) { store.unsettle(key) }
    func settle(_ key: [UInt8]) { store.settle(key) }
    var clock: UInt64 { store.clock }
    func follow(clock: UInt64) { store.follow(clock: clock) }
    func states(of found: SurveyedState) -> [KeyState] { store.states(of: found) }
}

/// It forgets deletions almost at once.
final class ForgetfulNodeSite: NodeSite {
    override class var tombstoneCountMax: Int { 6 }
}
