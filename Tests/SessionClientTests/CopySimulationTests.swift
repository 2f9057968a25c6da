import Glibc
import TestSupport
import Testing

@testable import SessionClient

/// What a node holds of the item.
private struct Held {
    var version: UInt64
    /// Nil for a tombstone.
    var value: Int?
    /// When the node drops it; nil for never.
    var deadline: Int64?
    /// When the item in it ends, if it is dated.
    var innerDeadline: Int64?
}

/// The true time: what the clients' clocks are made of.
///
/// `@unchecked Sendable`: a simulation is one thread's.
private final class SimulatedTime: @unchecked Sendable {
    var seconds: Int64 = 2_000_000_000
}

/// Nodes of one item, in one place and one thread: the machines decide as they do in a client, time moves
/// when it is told to, and one node at a time is dead.
private struct CopySimulation {
    let settings: Copies
    private let clocks: [VersionClock]
    private var nodes: [Held?]
    private let time = SimulatedTime()
    var now: Int64 { time.seconds }
    var dead: Int?

    /// - Parameter skewSeconds: how far one client's clock is behind the true time, and the other's ahead.
    init(_ settings: Copies, skewSeconds: Int64) {
        self.settings = settings
        nodes = Array(repeating: nil, count: settings.count)
        clocks = [-skewSeconds, skewSeconds].enumerated().map { [time] writer, skew in
            VersionClock(writer: UInt64(writer)) { (time.seconds + skew) * 1_000_000 }
        }
    }

    func advance(seconds: Int64) { time.seconds += seconds }

    mutating func forgetEverything(at place: Int) { nodes[place] = nil }

    // MARK: A node

    private func held(at place: Int) -> Held? {
        guard let held = nodes[place], held.deadline.map({ $0 > now }) ?? true else { return nil }
        return held
    }

    private func copy(at place: Int) -> Copy {
        if place == dead {
            return Copy(place: place, state: .unknown(CacheError(.nodeUnavailable)))
        }
        guard let held = held(at: place) else { return Copy(place: place, state: .missing) }
        let end = held.innerDeadline ?? held.deadline
        let timeLeft = end.map { Duration.seconds(max(0, $0 - now)) }
        guard held.value != nil, held.innerDeadline.map({ $0 > now }) ?? true else {
            return Copy(
                place: place, state: .tombstone(version: held.version, timeLeft: timeLeft))
        }
        return Copy(
            place: place,
            state: .live(
                version: held.version, timeLeft: timeLeft, isDated: held.innerDeadline != nil))
    }

    /// - Returns: nil for no answer.
    private mutating func store(_ content: Held, at place: Int, over known: UInt64) -> Bool? {
        guard place != dead else { return nil }
        guard held(at: place)?.version ?? 0 == known else { return false }
        nodes[place] = content
        return true
    }

    private mutating func push(_ content: Held, to place: Int, over known: UInt64) -> Bool {
        var push = CopyPush(to: content.version, over: known)
        var step = push.begin()
        while true {
            switch step {
            case .store(let known):
                guard let isStored = store(content, at: place, over: known) else { return false }
                step = push.stored(isStored)
            case .look:
                guard place != dead else { return false }
                step = push.seen(held(at: place)?.version ?? 0)
            case .finish(let hasIt): return hasIt
            }
        }
    }

    private var lifetimeSeconds: Int64 { settings.tombstoneLifetime.components.seconds }

    private func tombstone(_ version: UInt64, seconds: Int64? = nil) -> Held {
        Held(version: version, deadline: now + (seconds ?? lifetimeSeconds))
    }

    private func dated(_ content: Held) -> Held? {
        guard content.value != nil, let deadline = content.deadline else { return nil }
        var dated = content
        dated.innerDeadline = deadline
        dated.deadline = max(deadline, now + lifetimeSeconds)
        return dated
    }

    // MARK: Commands

    /// - Parameter value: nil for a deletion.
    mutating func write(
        _ goal: CopyWrite.Goal, _ value: Int?, exptime: Int32 = 0, client: Int
    ) throws(CacheError) -> StoreOutcome {
        var write = CopyWrite(
            goal, settings: settings, nodeCount: nodes.count, clock: clocks[client])
        var step = write.begin()
        while true {
            switch step {
            case .look(let needed):
                step = write.looked(nodes.indices.map { copy(at: $0) }, needed: needed)
            case .addEverywhere(let version, _):
                let content = content(version, value, exptime)
                step = write.added(
                    nodes.indices.map { place in
                        switch store(content, at: place, over: 0) {
                        case nil: .unknown(CacheError(.nodeUnavailable))
                        case .some(let isStored): isStored ? .stored : .present
                        }
                    })
            case .decide(let version, let place, let known, _):
                switch store(content(version, value, exptime), at: place, over: known) {
                case nil: step = write.decided(.failed(CacheError(.nodeUnavailable)))
                case .some(let isStored): step = write.decided(isStored ? .stored : .refused)
                }
            case .spread(let version, let versions, _):
                let content = content(version, value, exptime)
                step = write.spread(
                    to: versions.keys.sorted().filter {
                        push(content, to: $0, over: versions[$0] ?? 0)
                    })
            case .remember(let version, let places):
                if let dated = dated(content(version, value, exptime)) {
                    for place in places.sorted() { _ = store(dated, at: place, over: version) }
                }
                step = write.remembered()
            case .read: step = write.read(try read(.get, client: client)?.version)
            case .finish(let outcome): return outcome
            case .fail(let error): throw error
            }
        }
    }

    private func content(_ version: UInt64, _ value: Int?, _ exptime: Int32) -> Held {
        let deadline = Expiry.deadline(of: exptime, unixSeconds: now)
        guard let value, deadline.map({ $0 > now }) ?? true else { return tombstone(version) }
        return Held(version: version, value: value, deadline: deadline)
    }

    /// - Returns: the newest copy.
    mutating func read(
        _ goal: CopyRead.Goal, exptime: Int32? = nil, client: Int
    ) throws(CacheError) -> (version: UInt64, value: Int)? {
        var read = CopyRead(goal, exptime: exptime, settings: settings, nodeCount: nodes.count)
        var seen: [Held?] = []
        var step = read.begin()
        while true {
            switch step {
            case .look:
                seen = nodes.indices.map { held(at: $0) }
                step = read.looked(nodes.indices.map { copy(at: $0) }, unixSeconds: now)
            case .repair(let repair):
                step = read.repaired(count: carryOut(repair, seen[repair.place]?.value))
            case .delete(let place):
                _ = try write(.delete, nil, client: client)
                step = read.deleted(place: place)
            case .finish(let place):
                guard let place, let held = seen[place], let value = held.value else { return nil }
                return (held.version, value)
            case .fail(let error): throw error
            }
        }
    }

    private mutating func carryOut(_ repair: CopyRepair, _ value: Int?) -> Int {
        var count = 0
        for (place, order) in repair.orders.sorted(by: { $0.key < $1.key }) {
            switch order.action {
            case .push(let form):
                let content = content(form, repair, value)
                if push(content, to: place, over: order.over) { count += 1 }
            case .rewrite(let form):
                let content = content(form, repair, value)
                if store(content, at: place, over: order.over) == true { count += 1 }
            case .touch(let exptime):
                guard place != dead, held(at: place) != nil else { continue }
                let deadline = Expiry.deadline(of: exptime, unixSeconds: now)
                nodes[place]?.deadline = deadline
                count += 1
            }
        }
        return count
    }

    private func content(_ form: CopyRepair.Form, _ repair: CopyRepair, _ value: Int?) -> Held {
        if case .tombstone(let timeLeft) = form {
            return tombstone(repair.version, seconds: timeLeft?.components.seconds)
        }
        let plain = Held(
            version: repair.version, value: value,
            deadline: Expiry.deadline(of: repair.exptime, unixSeconds: now))
        return form == .dated ? dated(plain) ?? plain : plain
    }
}

/// Thousands of commands in a second, and what a dictionary says to them: what `CopyModelTests` does with
/// processes, with clocks that can be moved.
@Suite(.timeLimit(.minutes(10)))
struct CopySimulationTests {
    private static let seed = getenv("SOJOURN_SEED").flatMap { UInt64(String(cString: $0)) }

    /// The item as it ought to be.
    private struct Model {
        var value: Int
        var deadline: Int64?
    }

    private func run(
        _ settings: Copies, readsBetween: Bool, skewSeconds: Int64, seed: UInt64
    ) throws {
        var generator = SeededGenerator(seed: seed)
        var cluster = CopySimulation(settings, skewSeconds: skewSeconds)
        var model: Model?
        var version: UInt64 = 0
        for step in 0..<200 {
            let place = "SOJOURN_SEED=\(seed), step \(step), dead: \(cluster.dead ?? -1)"
            let client = Int.random(in: 0..<2, using: &generator)
            if Int.random(in: 0..<4, using: &generator) == 0 {
                cluster.dead = nil
                if readsBetween { _ = try cluster.read(.get, client: client) }
                if Bool.random(using: &generator) {
                    cluster.dead = Int.random(in: 0..<settings.count, using: &generator)
                }
            }
            cluster.advance(seconds: Int64([0, 0, 1, 5].randomElement(using: &generator) ?? 0))
            if let deadline = model?.deadline, deadline <= cluster.now { model = nil }
            let seconds = Int64([-1, 0, 3, 9, 1_000].randomElement(using: &generator) ?? 0)
            let expiry: Expiry = seconds == 0 ? .never : .after(.seconds(seconds))
            let exptime = expiry.exptime(unixSeconds: cluster.now)
            let isThere = model != nil
            let newDeadline = seconds == 0 ? nil : cluster.now + seconds
            // A longer time is not promised to hold where a copy has missed it: it goes earlier there, and
            // may count as the end of the item.
            let isLonger = (model?.deadline ?? .max) < (newDeadline ?? .max)
            let mayTouch = !isLonger || cluster.dead == nil
            func stored(_ number: UInt64) {
                // What is over when it is stored is a tombstone, whose version is no item's.
                version = seconds < 0 ? 0 : number
                model = seconds < 0 ? nil : Model(value: step, deadline: newDeadline)
            }
            switch Int.random(in: 0..<7, using: &generator) {
            case 0:
                let outcome = try cluster.write(.set, step, exptime: exptime, client: client)
                guard case .stored(let number) = outcome else { throw Trouble("\(outcome)") }
                stored(number)
            case 1:
                let outcome = try cluster.write(.add, step, exptime: exptime, client: client)
                try #require((outcome == .present) == isThere, "\(place)")
                if case .stored(let number) = outcome { stored(number) }
            case 2:
                let outcome = try cluster.write(.replace, step, exptime: exptime, client: client)
                try #require((outcome == .absent) == !isThere, "\(place)")
                if case .stored(let number) = outcome { stored(number) }
            case 3:
                let outcome = try cluster.write(.delete, nil, client: client)
                try #require((outcome == .absent) == !isThere, "\(place)")
                model = nil
            case 4 where isThere || version != 0:
                let outcome = try cluster.write(
                    .compareAndSet(expected: version), step, exptime: exptime, client: client)
                if isThere {
                    guard case .stored(let number) = outcome else {
                        throw Trouble("\(outcome): \(place)")
                    }
                    stored(number)
                } else {
                    // Nobody who was logged out returns by a save of what was read before.
                    try #require(outcome == .absent, "\(place)")
                }
            case 5 where seconds >= 0 && mayTouch:
                let item = try cluster.read(.touch, exptime: exptime, client: client)
                try #require((item != nil) == isThere, "\(place)")
                model?.deadline = newDeadline
            case 6 where mayTouch:
                let item = try cluster.read(.get, exptime: exptime, client: client)
                try #require(item?.value == model?.value, "\(place)")
                model?.deadline = newDeadline
                if seconds < 0 { model = nil }
            default: break
            }
            let item = try cluster.read(.get, client: client)
            try #require(item?.value == model?.value, "\(place)")
            if let item { try #require(item.version == version, "\(place)") }
        }
    }

    private var seeds: [UInt64] {
        if let seed = Self.seed { return [seed] }
        return Array(1...50)
    }

    @Test("Of three copies two always suffice, whichever node dies, and whatever time passes")
    func quorum() throws {
        let settings = Copies(count: 3, readCountMin: 2, writeCountMin: 2)
        for seed in seeds {
            try run(settings, readsBetween: false, skewSeconds: 3_600, seed: seed)
        }
    }

    @Test(
        "Of two copies one suffices, if the other is brought up to date before the next node dies")
    func pair() throws {
        // Where one copy must do, nobody may remember the version of what has expired: then clocks decide.
        for seed in seeds {
            try run(Copies(count: 2), readsBetween: true, skewSeconds: 0, seed: seed)
        }
    }
}
