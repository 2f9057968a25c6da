import Glibc
import MemcacheProtocol

/// What a connection has to send: appended at one end, sent from the other.
struct OutgoingBytes: ~Copyable {
    private var storage: UnsafeMutableRawPointer
    private var capacity: Int
    private var start = 0
    private var end = 0

    init() {
        capacity = 4_096
        storage = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { storage.deallocate() }

    var isEmpty: Bool { start == end }
    var count: Int { end - start }

    /// Valid until the next change.
    var pending: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: storage + start, count: end - start)
    }

    mutating func noteSent(_ count: Int) {
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Room for `count` bytes at the end; `noteAppended` tells how many were used.
    @inline(__always)
    mutating func room(_ count: Int) -> UnsafeMutableRawPointer {
        if capacity - end < count { grow(count) }
        return storage + end
    }

    @inline(__always)
    mutating func noteAppended(_ count: Int) { end += count }

    private mutating func grow(_ count: Int) {
        var wanted = capacity
        while wanted - self.count < count { wanted *= 2 }
        let larger = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 16)
        memcpy(larger, storage + start, self.count)
        storage.deallocate()
        storage = larger
        capacity = wanted
        end -= start
        start = 0
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        append(atMost: text.utf8CodeUnitCount) { $0.write(text) }
    }

    /// Appends what `encode` writes, `count` bytes at most.
    @inline(__always)
    mutating func append(atMost count: Int, _ encode: (inout ReplyWriter) -> Void) {
        var writer = ReplyWriter(UnsafeMutableRawBufferPointer(start: room(count), count: count))
        encode(&writer)
        end += writer.count
    }
}
