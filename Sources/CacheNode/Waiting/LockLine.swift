/// Who waits for one lock, first come first served.
///
/// Invariant: `waiters` are in the order of their numbers; `count` of them have not left, and the first
/// of these is at `first`.
struct LockLine: Sendable {
    struct Waiter: Sendable {
        /// Its place in the order of arrival, of all locks.
        let number: UInt64
        let ticket: Ticket
        let worker: WorkerRecord
        /// In nanoseconds.
        let began: UInt64
        /// The last second of the node's clock in which it may wait.
        let lastSecond: UInt32
        fileprivate(set) var hasLeft = false
    }

    /// Shown by `stats locks`.
    let key: [UInt8]
    private var waiters: [Waiter] = []
    private var first = 0
    private(set) var count = 0
    /// The first was told to look, and has not looked yet.
    var isFirstCalled = false
    /// When the lock goes by itself, as far as somebody has seen.
    var heldUntilSecond: UInt32?

    init(key: [UInt8]) { self.key = key }

    var firstWaiter: Waiter? { first < waiters.count ? waiters[first] : nil }

    mutating func append(_ waiter: Waiter) {
        waiters.append(waiter)
        count += 1
    }

    /// Takes a waiter out; nothing if it is not there.
    mutating func remove(number: UInt64) -> (waiter: Waiter, wasFirst: Bool)? {
        guard let place = place(of: number), !waiters[place].hasLeft else { return nil }
        let waiter = waiters[place]
        let wasFirst = place == first
        waiters[place].hasLeft = true
        count -= 1
        while first < waiters.count, waiters[first].hasLeft { first += 1 }
        tidyUp()
        return (waiter, wasFirst)
    }

    private func place(of number: UInt64) -> Int? {
        var low = first
        var high = waiters.count
        while low < high {
            let middle = (low + high) / 2
            if waiters[middle].number < number { low = middle + 1 } else { high = middle }
        }
        return low < waiters.count && waiters[low].number == number ? low : nil
    }

    /// Those who have left take as much room as those who are there, at most.
    private mutating func tidyUp() {
        guard waiters.count > 2 * count + 16 else { return }
        waiters.removeAll { $0.hasLeft }
        first = 0
    }
}
