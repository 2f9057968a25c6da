import EventLoop
import MemcacheProtocol
import Synchronization

/// The watchers of a node: who wants to be told of what, and the lines that are on their way.
///
/// Goals: nothing but one comparison with `wanted` where nobody watches; a watcher that does not read
/// slows nobody down: its lines are dropped when its buffer is full, and counted. Not a goal: keeping
/// what a watcher missed.
///
/// Any worker tells of events; each watcher's own worker takes its lines out, when it was woken. The
/// lock is held for a copy of a line, or of what one watcher's reply has room for; it is taken within
/// a shard's lock (an eviction) but no lock is taken within it.
final class Watchers: Sendable {
    static let countMax = 20
    /// Of lines for one watcher that it has not read.
    static let bufferByteCountMax = 256 << 10
    /// `skipped=` and a number, which come before the first line that has room again.
    private static let skippedByteCountMax = 32

    private struct Entry {
        let id: UInt64
        let events: WatchedEvents
        let wakeUp: WakeUp?
        /// Lines; those before `start` have been taken.
        var lines: [UInt8] = []
        var start = 0
        /// Lines that were dropped since the last one that was not.
        var skippedCount: UInt64 = 0
        /// The watcher's worker knows that there is something to take.
        var isAwake = false
        /// The watcher has ended its sending. It may have gone, so it makes way for another.
        var isHalfClosed = false
    }
    private struct State {
        var entries: [Entry] = []
        var lastID: UInt64 = 0
        var sentCount: UInt64 = 0
        var skippedCount: UInt64 = 0
    }

    /// What somebody wants.
    private let wanted = Atomic<UInt32>(0)
    private let lastNumber = Atomic<UInt64>(0)
    private let state = Mutex(State())

    @inline(__always)
    func want(_ events: WatchedEvents) -> Bool {
        wanted.load(ordering: .relaxed) & events.rawValue != 0
    }

    struct Counts: Equatable {
        var watcherCount = 0
        /// Events that were told of.
        var toldCount: UInt64 = 0
        /// Lines for one watcher each: given to it, and dropped.
        var sentCount: UInt64 = 0
        var skippedCount: UInt64 = 0
    }

    var counts: Counts {
        state.withLock { state in
            Counts(
                watcherCount: state.entries.count,
                toldCount: lastNumber.load(ordering: .relaxed), sentCount: state.sentCount,
                skippedCount: state.skippedCount)
        }
    }

    // MARK: Coming and going

    /// A new watcher's name; nothing when there are too many. `wakeUp` is its worker's.
    func add(_ events: WatchedEvents, wakeUp: WakeUp?) -> UInt64? {
        var replaced: WakeUp?
        defer { replaced?.wake() }
        return state.withLock { state in
            if state.entries.count == Self.countMax {
                guard let index = state.entries.firstIndex(where: \.isHalfClosed) else {
                    return nil
                }
                replaced = state.entries.remove(at: index).wakeUp
            }
            state.lastID += 1
            state.entries.append(Entry(id: state.lastID, events: events, wakeUp: wakeUp))
            noteWanted(state)
            return state.lastID
        }
    }

    func remove(_ id: UInt64) {
        state.withLock { state in
            state.entries.removeAll { $0.id == id }
            noteWanted(state)
        }
    }

    func noteHalfClosed(_ id: UInt64) {
        state.withLock { state in
            guard let index = state.entries.firstIndex(where: { $0.id == id }) else { return }
            state.entries[index].isHalfClosed = true
        }
    }

    private func noteWanted(_ state: borrowing State) {
        var all: WatchedEvents = []
        for entry in state.entries { all.formUnion(entry.events) }
        wanted.store(all.rawValue, ordering: .relaxed)
    }

    // MARK: Telling and taking

    /// A number for the next event: they tell the order of lines that come from several workers.
    func nextNumber() -> UInt64 {
        lastNumber.add(1, ordering: .relaxed).newValue
    }

    /// Gives a line to everybody who wants one of these events.
    func tell(_ events: WatchedEvents, _ line: UnsafeRawBufferPointer) {
        var sleeping: [WakeUp] = []
        state.withLock { state in
            for index in state.entries.indices
            where !state.entries[index].events.isDisjoint(with: events) {
                guard Self.append(line, to: &state.entries[index]) else {
                    state.skippedCount += 1
                    continue
                }
                state.sentCount += 1
                guard !state.entries[index].isAwake else { continue }
                state.entries[index].isAwake = true
                if let wakeUp = state.entries[index].wakeUp { sleeping.append(wakeUp) }
            }
        }
        for wakeUp in sleeping { wakeUp.wake() }
    }

    private static func append(
        _ line: UnsafeRawBufferPointer, to entry: inout Entry
    ) -> Bool {
        let pending = entry.lines.count - entry.start
        guard pending + line.count + skippedByteCountMax <= bufferByteCountMax else {
            entry.skippedCount += 1
            return false
        }
        if entry.start > bufferByteCountMax / 2 {
            entry.lines.removeFirst(entry.start)
            entry.start = 0
        }
        if entry.skippedCount > 0 {
            entry.lines.append(contentsOf: "skipped=\(entry.skippedCount)\n".utf8)
            entry.skippedCount = 0
        }
        entry.lines.append(contentsOf: line)
        return true
    }

    enum Taking: Equatable {
        case some, nothing
        /// Another watcher has its place.
        case replaced
    }

    /// Hands at most `byteCount` bytes of a watcher's lines to `body`. Until there are none its worker is
    /// not woken again.
    func take(
        _ id: UInt64, atMost byteCount: Int, _ body: (UnsafeRawBufferPointer) -> Void
    ) -> Taking {
        state.withLock { state in
            guard let index = state.entries.firstIndex(where: { $0.id == id }) else {
                return .replaced
            }
            let start = state.entries[index].start
            let end = min(start + byteCount, state.entries[index].lines.count)
            guard start < end else {
                state.entries[index].lines.removeAll(keepingCapacity: true)
                state.entries[index].start = 0
                state.entries[index].isAwake = false
                return .nothing
            }
            state.entries[index].lines.withUnsafeBytes { lines in
                body(UnsafeRawBufferPointer(rebasing: lines[start..<end]))
            }
            state.entries[index].start = end
            return .some
        }
    }
}
