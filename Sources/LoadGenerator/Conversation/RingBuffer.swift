/// A queue in memory of its own that never grows: who appends has looked at `isFull`.
struct RingBuffer<Element: BitwiseCopyable>: ~Copyable {
    private let storage: UnsafeMutablePointer<Element>
    private let mask: Int
    private var head = 0
    private(set) var count = 0

    init(capacity: Int) {
        var size = 1
        while size < capacity { size *= 2 }
        storage = .allocate(capacity: size)
        mask = size - 1
    }

    deinit { storage.deallocate() }

    var isEmpty: Bool { count == 0 }
    var isFull: Bool { count > mask }

    /// Of the oldest, 0 is the number.
    subscript(number: Int) -> Element {
        @inline(__always) get {
            precondition(number < count, "beyond the queue's end")
            return storage[(head + number) & mask]
        }
    }

    @inline(__always)
    mutating func append(_ element: Element) {
        precondition(!isFull, "more than the queue was made for")
        storage[(head + count) & mask] = element
        count += 1
    }

    @inline(__always)
    mutating func removeFirst(_ number: Int = 1) {
        precondition(number <= count, "more than the queue has")
        head = (head + number) & mask
        count -= number
    }

    mutating func removeAll() {
        head = 0
        count = 0
    }
}
