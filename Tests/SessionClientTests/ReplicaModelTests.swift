import NIOCore
import TestSupport
import Testing

@testable import SessionClient

/// Random operations on a cluster whose nodes die and come back with what they had, and on a dictionary:
/// both agree after each step.
private struct ReplicaModelRun {
    private let cluster: ReplicaCluster
    private var generator: SeededGenerator
    private var model: [CacheKey: String] = [:]
    private var versions: [CacheKey: CASUnique] = [:]
    private let keys: [CacheKey] = ["a", "b", "c", "d"]
    private var dead: Int?
    private var step = 0

    init(_ cluster: ReplicaCluster, seed: UInt64) {
        self.cluster = cluster
        generator = SeededGenerator(seed: seed)
    }

    /// - Parameter readsBetween: whether everything is read while all nodes are there, before another
    ///   one dies.
    mutating func run(steps: Int, readsBetween: Bool) async throws {
        for _ in 0..<steps {
            step += 1
            if Int.random(in: 0..<4, using: &generator) == 0 {
                try await changeNodes(readsBetween: readsBetween)
            }
            let key = keys.randomElement(using: &generator) ?? "a"
            try await operate(on: key)
            try await check(keys.randomElement(using: &generator) ?? "a")
        }
    }

    private mutating func changeNodes(readsBetween: Bool) async throws {
        if let dead { cluster.gates[dead].open() }
        if readsBetween { for key in keys { try await check(key) } }
        dead =
            Bool.random(using: &generator)
            ? cluster.gates.indices.randomElement(using: &generator) : nil
        if let dead { try await cluster.gates[dead].shut() }
    }

    private mutating func operate(on key: CacheKey) async throws {
        let client = cluster.client
        let text = "value \(step)"
        let isThere = model[key] != nil
        switch Int.random(in: 0..<7, using: &generator) {
        case 0:
            versions[key] = try await client.set(key, to: .text(text))
            model[key] = text
        case 1:
            let version = try await client.add(key, .text(text))
            #expect((version != nil) == !isThere, "step \(step)")
            if version != nil { (model[key], versions[key]) = (text, version) }
        case 2:
            let version = try await client.replace(key, with: .text(text))
            #expect((version != nil) == isThere, "step \(step)")
            if version != nil { (model[key], versions[key]) = (text, version) }
        case 3:
            #expect(try await client.delete(key) == isThere, "step \(step)")
            model[key] = nil
        case 4:
            let touched = try await client.touch(key, expiry: .after(.seconds(10_000)))
            #expect(touched == isThere, "step \(step)")
        case 5:
            guard let version = versions[key] else { return }
            let outcome = try await client.compareAndSet(key, to: .text(text), expected: version)
            guard case .stored(let next) = outcome else {
                Issue.record("step \(step): \(outcome) although nobody has changed it")
                return
            }
            #expect(isThere, "step \(step)")
            (model[key], versions[key]) = (text, next)
        default:
            guard let version = versions[key], isThere else { return }
            let wrong = CASUnique(version.number - 1)
            let outcome = try await client.compareAndSet(key, to: .text(text), expected: wrong)
            #expect(outcome == .conflict, "step \(step)")
        }
        if model[key] == nil { versions[key] = nil }
    }

    private func check(_ key: CacheKey) async throws {
        let item = try await cluster.client.get(key)
        #expect(item?.text == model[key], "step \(step), \(key), dead: \(dead ?? -1)")
        if let item { #expect(item.casUnique == versions[key], "step \(step)") }
    }
}

@Suite(.ownThread)
struct ReplicaModelTests {
    @Test("Of three copies two always suffice: whichever node dies, nothing outdated is read")
    func quorum() async throws {
        let seed = UInt64.random(in: 0..<1_000_000)
        let cluster = try await ReplicaCluster(
            Replication(copyCount: 3, readCountMin: 2, writeCountMin: 2))
        var run = ReplicaModelRun(cluster, seed: seed)
        try await run.run(steps: 300, readsBetween: false)
        #expect(Bool(true), "seed \(seed)")
    }

    @Test(
        "Of two copies one suffices, if the other is brought up to date before the next node dies")
    func pair() async throws {
        let cluster = try await ReplicaCluster(Replication(copyCount: 2), nodeCount: 3)
        var run = ReplicaModelRun(cluster, seed: UInt64.random(in: 0..<1_000_000))
        try await run.run(steps: 300, readsBetween: true)
    }
}
