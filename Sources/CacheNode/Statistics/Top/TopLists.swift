import Synchronization

/// What can be asked of sessions, and of whoever makes them.
enum TopQuestion: String, CaseIterable, Sendable {
    case reads
    case rewrites
    /// Stores of what was there already: the same value and client flags.
    case unchangedRewrites = "unchanged_rewrites"
    /// Bytes of the value.
    case size
    /// Bytes by which values have grown.
    case growth
    /// Addresses from which sessions are stored where there was none.
    case creators
}

/// One of those that come first.
struct TopEntry: Equatable, Sendable {
    /// A session's hash, see `IDKey`; or an address.
    let name: String
    /// Never too little, but for what sampling has missed.
    let count: UInt64
    /// It may be so much too much.
    let error: UInt64
}

/// One worker's sessions with the most of something: those of the last ten to twenty minutes, in two windows that follow
/// each other. What is added was sampled, and stands for as many.
///
/// The worker adds, any thread reads; whoever reads holds the lock for some microseconds.
final class TopLists: Sendable {
    /// Of each list, in each window.
    static let capacity = 128
    static let windowSeconds: UInt32 = 600

    private struct Window {
        /// When it began, on the node's clock.
        var begin: UInt32 = 0
        var reads = SpaceSaving<UInt64>(capacity: capacity)
        var rewrites = SpaceSaving<UInt64>(capacity: capacity)
        var unchanged = SpaceSaving<UInt64>(capacity: capacity)
        var growth = SpaceSaving<UInt64>(capacity: capacity)
        var sizes = Largest<UInt64>(capacity: capacity)
        var creators = SpaceSaving<String>(capacity: capacity)

        mutating func begin(at second: UInt32) {
            begin = second
            reads.removeAll()
            rewrites.removeAll()
            unchanged.removeAll()
            growth.removeAll()
            sizes.removeAll()
            creators.removeAll()
        }
    }

    private struct State {
        var current = Window()
        var previous = Window()

        init(_ second: UInt32) {
            current.begin = second
            previous.begin = second
        }

        mutating func turn(to second: UInt32) {
            // A clock that was moved back begins anew.
            guard second < current.begin || second - current.begin >= windowSeconds else { return }
            swap(&current, &previous)
            if second < previous.begin || second - previous.begin >= 2 * windowSeconds {
                previous.begin(at: previous.begin)
            }
            current.begin(at: second)
        }
    }

    /// There once something was added: most workers of most spaces of a node have nothing to do.
    private let state = Mutex<State?>(nil)

    private func add(at second: UInt32, _ body: (inout Window) -> Void) {
        state.withLock { state in
            var lists = state.take() ?? State(second)
            lists.turn(to: second)
            body(&lists.current)
            state = lists
        }
    }

    // MARK: Called by the worker

    /// A read of a value of so many bytes, which stands for `weight` of them.
    func noteRead(_ id: UInt64, byteCount: Int, weight: UInt64, second: UInt32) {
        add(at: second) { window in
            window.reads.add(id, weight)
            window.sizes.note(id, size: UInt64(byteCount))
        }
    }

    /// A store of so many bytes in the place of others.
    func noteRewrite(
        _ id: UInt64, byteCount: Int, oldByteCount: Int, isUnchanged: Bool, weight: UInt64,
        second: UInt32
    ) {
        add(at: second) { window in
            window.rewrites.add(id, weight)
            window.sizes.note(id, size: UInt64(byteCount))
            if isUnchanged {
                window.unchanged.add(id, weight)
            } else if byteCount > oldByteCount {
                window.growth.add(id, UInt64(byteCount - oldByteCount) &* weight)
            }
        }
    }

    /// A store where there was none.
    func noteBirth(
        _ id: UInt64, byteCount: Int, by address: String, weight: UInt64, second: UInt32
    ) {
        add(at: second) { window in
            window.sizes.note(id, size: UInt64(byteCount))
            window.creators.add(address, weight)
        }
    }

    // MARK: Called by any thread

    func clear() { state.withLock { $0 = nil } }

    /// The windows that count at a second.
    private func windows(at second: UInt32) -> [Window] {
        state.withLock { state in
            state?.turn(to: second)
            return state.map { [$0.previous, $0.current] } ?? []
        }
    }

    /// Of several workers, those that come first, at most so many.
    static func top(
        _ question: TopQuestion, of all: [TopLists], count: Int, second: UInt32
    ) -> [TopEntry] {
        let windows = all.flatMap { $0.windows(at: second) }
        switch question {
        case .reads: return sessions(windows.map(\.reads), count)
        case .rewrites: return sessions(windows.map(\.rewrites), count)
        case .unchangedRewrites: return sessions(windows.map(\.unchanged), count)
        case .growth: return sessions(windows.map(\.growth), count)
        case .size:
            var sizes: [UInt64: UInt64] = [:]
            // Of two windows the later one knows; of two workers nobody knows which does.
            for lists in all {
                var own: [UInt64: UInt64] = [:]
                for window in lists.windows(at: second) {
                    for entry in window.sizes.entries { own[entry.name] = entry.size }
                }
                sizes.merge(own, uniquingKeysWith: max)
            }
            return sizes.sorted { $0.value > $1.value }.prefix(count).map {
                TopEntry(name: IDKey.name(of: $0.key), count: $0.value, error: 0)
            }
        case .creators:
            return SpaceSaving.merged(windows.map(\.creators)).prefix(count).map {
                TopEntry(name: $0.name, count: $0.count, error: $0.error)
            }
        }
    }

    private static func sessions(
        _ lists: [SpaceSaving<UInt64>], _ count: Int
    ) -> [TopEntry] {
        SpaceSaving.merged(lists).prefix(count).map {
            TopEntry(name: IDKey.name(of: $0.name), count: $0.count, error: $0.error)
        }
    }
}

extension Space {
    /// The sessions, or addresses, with the most of something in the last ten to twenty minutes.
    func top(_ question: TopQuestion, count: Int) -> [TopEntry] {
        TopLists.top(
            question, of: requests.map(\.tops), count: count, second: clock.now().seconds)
    }
}
