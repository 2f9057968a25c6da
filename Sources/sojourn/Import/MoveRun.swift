import Glibc
import Synchronization

/// Whether somebody has asked this process to stop: what is begun is finished, and the state written.
enum StopRequest {
    private static let isMade = Atomic<Bool>(false)

    static func attend() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { _ in StopRequest.isMade.store(true, ordering: .relaxed) }
        }
    }

    static var hasCome: Bool { isMade.load(ordering: .relaxed) }
}

/// What is decided of a move.
struct MovePlan {
    enum Verification: Equatable {
        case none
        /// One key of so many; 1 is all.
        case everyOf(Int)
    }

    /// Items a second.
    var rate = 2_000
    var statePath: String?
    var verification = Verification.everyOf(100)
    /// Taken from the front of a key, where it has it; then this one is put there.
    var strippedPrefix: [UInt8] = []
    var addedPrefix: [UInt8] = []

    func target(of key: [UInt8]) -> [UInt8] {
        let isStripped = !strippedPrefix.isEmpty && key.starts(with: strippedPrefix)
        return addedPrefix + (isStripped ? Array(key.dropFirst(strippedPrefix.count)) : key)
    }
}

/// Moves items: lists all keys, then reads and adds items at a rate, then compares.
///
/// Goals: nothing that is there already is replaced; it can be interrupted at any moment and goes on; both servers can do their
/// work beside it. Not goals: what clients change meanwhile where the items come from.
final class MoveRun {
    private let source: any ItemSource
    private let target: CacheTarget
    private let plan: MovePlan
    private var state: MoveState
    private var spool: KeySpool
    private var toldAt: Int64 = 0
    private var savedAt: Int64 = 0
    private var phase = "listing keys"
    private var doneInPhase = 0

    private static let batchCountMax = 200
    /// How often those are asked for once more that a node has not found in time.
    private static let roundCountMax = 5
    private var isTerminal: Bool { isatty(2) == 1 }

    struct Interrupted: Error {}

    init(_ source: any ItemSource, _ target: CacheTarget, _ plan: MovePlan) throws {
        self.source = source
        self.target = target
        self.plan = plan
        state = MoveState(from: source.name, to: target.name)
        guard let path = plan.statePath else {
            spool = try KeySpool(nil, isNew: true)
            return
        }
        if let kept = try MoveState.read(path) {
            guard kept.from == state.from, kept.to == state.to else {
                throw MovingTrouble(
                    "\(path) is of a move from \(kept.from) to \(kept.to): name another file, or remove it"
                )
            }
            state = kept
        }
        if !state.isListed { state = MoveState(from: state.from, to: state.to) }
        spool = try KeySpool(path + ".keys", isNew: !state.isListed)
    }

    /// - Throws: `Interrupted` when it was asked to stop, once the state is written.
    func run() throws -> MoveTally {
        if state.isOver {
            throw MovingTrouble(
                "\(plan.statePath ?? ""): that move is over; remove the file to begin another one")
        }
        if !state.isListed { try list() }
        try moveAll()
        if target.fetches {
            // memcached's list may miss what it moves between its queues meanwhile; what has moved is in no list any more.
            for _ in 0..<Self.roundCountMax where try listAgain() > 0 { try moveAll() }
        }
        try verify()
        state.isOver = true
        try save(isForced: true)
        clearLine()
        return state.tally
    }

    // MARK: Listing

    private func list() throws {
        try source.list { key in
            doneInPhase += 1
            if key.key.count > KeySpool.keyByteCountMax {
                state.tally.note(
                    .unfit, "its key is too long for memcached's protocol", key: key.key)
            } else {
                try spool.append(key)
                state.tally[.listed] += 1
            }
            if doneInPhase % 1_000 == 0 { try lookAround() }
        }
        try spool.flush()
        state.isListed = true
        try save(isForced: true)
    }

    /// Puts what is still there behind the other keys. Returns how much that is.
    private func listAgain() throws -> Int {
        phase = "listing what is left"
        doneInPhase = 0
        try spool.seekToEnd()
        state.offset = spool.offset
        try source.list { key in
            doneInPhase += 1
            if key.key.count <= KeySpool.keyByteCountMax { try spool.append(key) }
        }
        try spool.flush()
        state.tally[.listed] += doneInPhase
        return doneInPhase
    }

    // MARK: Moving

    private func moveAll() throws {
        phase = target.fetches ? "asking the new one, which fetches" : "moving"
        doneInPhase = 0
        try spool.seek(to: state.offset)
        var pace = Pace(rate: plan.rate)
        while case let batch = try nextBatch(), !batch.isEmpty {
            if target.fetches { try fetch(batch) } else { try copy(batch) }
            doneInPhase += batch.count
            state.offset = spool.offset
            try lookAround()
            pace.wait(after: batch.count)
        }
    }

    private func nextBatch() throws -> [ListedKey] {
        var batch: [ListedKey] = []
        let count = min(Self.batchCountMax, max(1, plan.rate / 20))
        while batch.count < count, let key = try spool.next() { batch.append(key) }
        return batch
    }

    /// Reads where they are and adds where they go.
    private func copy(_ batch: [ListedKey]) throws {
        var items: [(key: [UInt8], line: LineKey, item: MovedItem)] = []
        for (key, reading) in zip(batch, try source.read(batch)) {
            switch reading {
            case .gone: state.tally[.gone] += 1
            case .unfit(let reason): state.tally.note(.unfit, reason, key: key.key)
            case .item(let item):
                let new = plan.target(of: key.key)
                guard let line = LineKey(new) else {
                    state.tally.note(
                        .unfit, "its key is too long for memcached's protocol", key: key.key)
                    continue
                }
                items.append((new, line, item))
            }
        }
        for (item, outcome) in zip(items, try target.add(items)) {
            switch outcome {
            case .stored: state.tally[.stored] += 1
            case .thereAlready: state.tally[.there] += 1
            case .refused(let reason): state.tally.note(.refused, reason, key: item.key)
            }
        }
    }

    /// Has the new one fetch them. What it does not find in time it is asked for again.
    private func fetch(_ batch: [ListedKey]) throws {
        var left = batch.compactMap { key in LineKey(key.key).map { (key: key, line: $0) } }
        for round in 0..<Self.roundCountMax where !left.isEmpty {
            if round > 0 { usleep(300_000) }
            let outcomes = try target.has(left.map { (key: $0.key.key, line: $0.line) })
            state.tally[.there] += outcomes.count { $0 }
            let absent = zip(left, outcomes).filter { !$0.1 }.map(\.0)
            guard !absent.isEmpty else { return }
            // Neither here nor there: it has expired, or somebody has logged out.
            let readings = try source.read(absent.map(\.key))
            left = zip(absent, readings).filter { $0.1 != .gone }.map(\.0)
            state.tally[.gone] += absent.count - left.count
        }
        for key in left {
            state.tally.note(
                .refused,
                "the node has not fetched it: too large for it, or its predecessor is slow",
                key: key.key.key)
        }
    }

    // MARK: Comparing

    private func verify() throws {
        guard case .everyOf(let step) = plan.verification else { return }
        phase = "comparing"
        doneInPhase = 0
        for count in [MoveTally.Count.same, .newer, .lost, .missing] { state.tally[count] = 0 }
        try spool.seek(to: 0)
        var pace = Pace(rate: plan.rate)
        var number = 0
        var batch: [ListedKey] = []
        while let key = try spool.next() {
            number += 1
            guard number % step == 0 || step == 1 else { continue }
            batch.append(key)
            guard batch.count == min(Self.batchCountMax, max(1, plan.rate / 20)) else { continue }
            try compare(batch)
            doneInPhase += batch.count
            try lookAround()
            pace.wait(after: batch.count)
            batch = []
        }
        try compare(batch)
    }

    private func compare(_ batch: [ListedKey]) throws {
        guard !batch.isEmpty else { return }
        let before = try source.read(batch)
        let after = try target.read(batch.map { plan.target(of: $0.key) })
        for ((key, old), new) in zip(zip(batch, before), after) {
            switch (old, new) {
            case (.gone, .gone): state.tally[.lost] += 1
            case (.gone, .item): state.tally[target.fetches ? .same : .newer] += 1
            case (.item(let old), .item(let new)):
                state.tally[Self.areSame(old, new) ? .same : .newer] += 1
            case (.item, _): state.tally.note(.missing, "it is still where it was", key: key.key)
            case (.unfit, _), (_, .unfit): break
            }
        }
    }

    /// Times are whole seconds, and were asked for one after the other.
    private static func areSame(_ old: MovedItem, _ new: MovedItem) -> Bool {
        guard old.value == new.value, old.clientFlags == new.clientFlags else { return false }
        switch (old.secondsLeft, new.secondsLeft) {
        case (nil, nil): return true
        case (let old?, let new?): return abs(old - new) <= 1
        default: return false
        }
    }

    // MARK: Telling

    private func lookAround() throws {
        let now = wallClockSeconds()
        if now >= toldAt + (isTerminal ? 1 : 5) {
            toldAt = now
            let total = state.tally[.listed]
            let line = phase + ": \(doneInPhase)" + (state.isListed ? " of \(total)" : "")
            tell(isTerminal ? "\r\u{1B}[K\(line)" : "\(line)\n")
        }
        try save(isForced: StopRequest.hasCome)
        if StopRequest.hasCome {
            clearLine()
            throw Interrupted()
        }
    }

    private func clearLine() { if isTerminal { tell("\r\u{1B}[K") } }

    private func save(isForced: Bool) throws {
        guard let path = plan.statePath, state.isListed else { return }
        let now = wallClockSeconds()
        guard isForced || now > savedAt else { return }
        savedAt = now
        try state.write(to: path)
    }
}

/// So many a second, evenly.
private struct Pace {
    private let rate: Int
    private let start = ContinuousClock.now
    private var count = 0

    init(rate: Int) { self.rate = rate }

    mutating func wait(after more: Int) {
        count += more
        let due = start + .seconds(Double(count) / Double(rate))
        let left = due - ContinuousClock.now
        guard left > .zero else { return }
        usleep(useconds_t(min(left / .microseconds(1), 1_000_000)))
    }
}
