import Synchronization

/// The spaces of a node, in the order of its configuration. Some may come while it runs; none goes.
final class Spaces: Sendable {
    private let list: Mutex<[Space]>
    /// How many there are, for who has all of them already.
    private let countOfAll: Atomic<Int>

    init(_ spaces: [Space]) {
        list = Mutex(spaces)
        countOfAll = Atomic(spaces.count)
    }

    var count: Int { countOfAll.load(ordering: .acquiring) }
    var all: [Space] { list.withLock { $0 } }

    subscript(name: String) -> Space? { all.first { $0.name == name } }

    func append(_ space: Space) {
        list.withLock { $0.append(space) }
        countOfAll.add(1, ordering: .releasing)
    }
}
