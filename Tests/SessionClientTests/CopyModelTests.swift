import Glibc
import NIOCore
import TestSupport
import Testing

@testable import SessionClient

/// What happens to nodes in a run.
private enum Event: CaseIterable {
    /// A node cannot be reached, and keeps what it has.
    case death
    /// A node is stopped and answers nothing.
    case hang
    /// Strangers' items fill a node until it evicts.
    case eviction
}

/// Random operations by two clients, whose clocks are an hour apart each from the true one, on a cluster
/// whose nodes die, hang, come back with what they had, and evict; and on a dictionary: both agree after
/// each step.
private final class CopyModelRun {
    private let cluster: CopyCluster
    private let clients: [CacheClient]
    private let events: [Event]
    private var generator: SeededGenerator
    private var model: [CacheKey: String] = [:]
    private var versions: [CacheKey: CASUnique] = [:]
    private let keys: [CacheKey] = ["a", "b", "c", "d"]
    private var dead: Int?
    private var hung: Int?
    private let seed: UInt64
    private var step = 0
    /// What takes long is done a few times only.
    private var expiryCount = 0
    private var patienceCount = 0

    init(
        _ copies: Copies, events: [Event], seed: UInt64
    ) async throws {
        let flags = events.contains(.eviction) ? ["-m", "8", "-t", "1"] : []
        cluster = try await CopyCluster(copies, nodeCount: 3, flags: flags)
        let gates = cluster.gates
        clients = try [-3_600, 3_600].map {
            try CopyCluster.client(of: gates, copies, skewSeconds: $0)
        }
        self.events = events
        self.seed = seed
        generator = SeededGenerator(seed: seed)
    }

    deinit { for client in clients { client.shutDown() } }

    /// With what a failure needs to be repeated.
    private var place: String {
        "SOJOURN_SEED=\(seed), step \(step), dead: \(dead ?? -1), hung: \(hung ?? -1)"
    }

    private func random(_ range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }

    /// - Parameter readsBetween: whether everything is read while all nodes are there, before another
    ///   one dies.
    func run(steps: Int, readsBetween: Bool) async throws {
        do {
            for _ in 0..<steps {
                step += 1
                if random(0..<4) == 0 { try await changeNodes(readsBetween: readsBetween) }
                let key = keys.randomElement(using: &generator) ?? "a"
                try await operate(on: key)
                try await check(keys.randomElement(using: &generator) ?? "a")
            }
        } catch {
            Issue.record("\(error): \(place)")
        }
    }

    private func changeNodes(readsBetween: Bool) async throws {
        if let dead { cluster.gates[dead].open() }
        if let hung { cluster.processes[hung].program.send(SIGCONT) }
        (dead, hung) = (nil, nil)
        if readsBetween { for key in keys { try await check(key) } }
        guard let event = events.randomElement(using: &generator), random(0..<3) > 0 else { return }
        let node = random(0..<cluster.gates.count)
        switch event {
        case .death:
            try await cluster.gates[node].shut()
            dead = node
        case .hang:
            try cluster.processes[node].program.suspend()
            hung = node
        case .eviction:
            // Everybody knows the newest state, so that one node may forget it.
            for key in keys { try await check(key) }
            try cluster.fill(node)
            for key in keys { try await check(key) }
        }
    }

    private func operate(on key: CacheKey) async throws {
        let client = clients[random(0..<2)]
        let text = "value \(step)"
        let isThere = model[key] != nil
        switch random(0..<8) {
        case 0:
            versions[key] = try await client.set(key, to: .text(text))
            model[key] = text
        case 1:
            let version = try await client.add(key, .text(text))
            #expect((version != nil) == !isThere, "\(place)")
            if version != nil { (model[key], versions[key]) = (text, version) }
        case 2:
            let version = try await client.replace(key, with: .text(text))
            #expect((version != nil) == isThere, "\(place)")
            if version != nil { (model[key], versions[key]) = (text, version) }
        case 3:
            #expect(try await client.delete(key) == isThere, "\(place)")
            model[key] = nil
        case 4:
            let touched = try await client.touch(key, expiry: .after(.seconds(10_000)))
            #expect(touched == isThere, "\(place)")
        case 5: try await compareAndSet(key, to: text, by: client)
        case 6: try await expire(key, by: client)
        default:
            guard let version = versions[key], isThere, try await isQuick(key) else { return }
            let wrong = CASUnique(version.number - 1)
            let outcome = try await client.compareAndSet(key, to: .text(text), expected: wrong)
            #expect(outcome == .conflict, "\(place)")
        }
        if model[key] == nil { versions[key] = nil }
    }

    private func compareAndSet(
        _ key: CacheKey, to text: String, by client: CacheClient
    ) async throws {
        guard let version = versions[key], try await isQuick(key) else { return }
        let client = client.withTimeout(.seconds(12))
        let outcome = try await client.compareAndSet(key, to: .text(text), expected: version)
        guard case .stored(let next) = outcome else {
            Issue.record("\(outcome) although nobody has changed it: \(place)")
            return
        }
        #expect(model[key] != nil, "\(place)")
        (model[key], versions[key]) = (text, next)
    }

    /// A hung node costs its part of the deadline where it is the one to decide.
    private func isQuick(_ key: CacheKey) async throws -> Bool {
        guard let hung, try await cluster.places(of: key)[0] == hung else { return true }
        patienceCount += 1
        return patienceCount <= 1
    }

    private func expire(_ key: CacheKey, by client: CacheClient) async throws {
        expiryCount += 1
        let isOver = expiryCount > 2
        let expiry = Expiry.after(isOver ? .zero : .seconds(1))
        try await client.set(key, to: .text("short"), expiry: expiry)
        if !isOver { try await Task.sleep(for: .milliseconds(2_100)) }
        model[key] = nil
    }

    private func check(_ key: CacheKey) async throws {
        let item = try await clients[random(0..<2)].get(key)
        #expect(item?.text == model[key], "\(place), \(key)")
        if let item { #expect(item.casUnique == versions[key], "\(place), \(key)") }
    }
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct CopyModelTests {
    private static let seed = getenv("SOJOURN_SEED").flatMap { UInt64(String(cString: $0)) }

    private func run(
        _ copies: Copies, events: [Event], steps: Int, readsBetween: Bool
    ) async throws {
        let seed = Self.seed ?? .random(in: 0..<1_000_000)
        let run = try await CopyModelRun(copies, events: events, seed: seed)
        try await run.run(steps: steps, readsBetween: readsBetween)
    }

    @Test("Of three copies two always suffice: whichever node dies, nothing outdated is read")
    func quorum() async throws {
        let copies = Copies(
            count: 3, readCountMin: 2, writeCountMin: 2, stragglerTimeout: .milliseconds(2))
        try await run(copies, events: [.death], steps: 200, readsBetween: false)
    }

    @Test("Of three copies two suffice, too, when nodes hang and evict")
    func hungQuorum() async throws {
        let copies = Copies(
            count: 3, readCountMin: 2, writeCountMin: 2, stragglerTimeout: .milliseconds(2))
        try await run(
            copies, events: [.death, .hang, .hang, .eviction], steps: 100, readsBetween: false)
    }

    @Test(
        "Of two copies one suffices, if the other is brought up to date before the next node dies")
    func pair() async throws {
        try await run(
            .patient(count: 2), events: [.death], steps: 200, readsBetween: true)
    }
}
