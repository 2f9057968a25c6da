@testable import SessionMap

/// What a map must hold, as a plain dictionary; also the order of accesses.
///
/// The model is told of an operation before the map executes it where the map moves the item to the
/// newest end before it makes room, and afterwards of its outcome.
final class MapModel {
    struct Item {
        var value: [UInt8]
        var clientFlags: UInt32
        var deadline: Deadline
        /// Known once it was read.
        var casUnique: UInt64?
        var lastAccess: Int
    }

    private(set) var items: [[UInt8]: Item] = [:]
    private(set) var flushDeadline = Deadline.never
    private var accessCount = 0
    private var lastNow: UInt32 = 0
    /// Whether an item may have become dead without time passing.
    private var isStale = false

    /// Forgets what is dead by now.
    func enter(now: UInt32) {
        if flushDeadline.isPassed(at: now) { flush() }
        guard isStale || now != lastNow else { return }
        isStale = false
        lastNow = now
        items = items.filter { !$0.value.deadline.isPassed(at: now) }
    }

    func flush() {
        flushDeadline = .never
        items = [:]
    }

    func flush(at deadline: Deadline) { flushDeadline = deadline }

    func noteAccess(_ key: [UInt8]) {
        accessCount += 1
        items[key]?.lastAccess = accessCount
    }

    func put(_ key: [UInt8], _ value: [UInt8], clientFlags: UInt32, deadline: Deadline) {
        accessCount += 1
        items[key] = Item(
            value: value, clientFlags: clientFlags, deadline: deadline, casUnique: nil,
            lastAccess: accessCount)
        isStale = isStale || deadline.isPassed(at: lastNow)
    }

    func forget(_ key: [UInt8]) { items[key] = nil }

    func setDeadline(_ key: [UInt8], _ deadline: Deadline) {
        items[key]?.deadline = deadline
        isStale = isStale || deadline.isPassed(at: lastNow)
    }

    func noteCASUnique(_ key: [UInt8], _ unique: UInt64) { items[key]?.casUnique = unique }

    /// The key whose last access is the longest ago.
    var oldestKey: [UInt8]? { items.min { $0.value.lastAccess < $1.value.lastAccess }?.key }

    /// What a store in this mode comes to if memory is no matter, and the value that is then there.
    func judge(
        _ key: [UInt8], _ mode: StoreMode, _ value: [UInt8], valueByteCountMax: Int
    ) -> (outcome: StoreOutcome, value: [UInt8]) {
        let old = items[key]
        if value.count > valueByteCountMax { return (.tooLarge, []) }
        switch mode {
        case .set: return (.stored, value)
        case .add: return (old == nil ? .stored : .notStored, value)
        case .replace: return (old == nil ? .notStored : .stored, value)
        case .append, .prepend:
            guard let old, old.value.count + value.count <= valueByteCountMax else {
                return (.notStored, [])
            }
            return (.stored, mode == .append ? old.value + value : value + old.value)
        case .compareAndSwap(let unique):
            guard let old else { return (.notFound, []) }
            return (unique != 0 && old.casUnique == unique ? .stored : .exists, value)
        }
    }

    /// What counting up or down comes to; the rules are those of `strtoull`.
    static func count(_ value: [UInt8], by delta: UInt64, increments: Bool) -> UInt64? {
        let isSpace = { (byte: UInt8) in byte == 0x20 || (9...13).contains(byte) }
        var rest = value.drop(while: isSpace)
        if rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        let behind = rest.dropFirst(digits.count)
        guard !digits.isEmpty, behind.first.map(isSpace) ?? true,
            let number = UInt64(String(decoding: digits, as: UTF8.self))
        else { return nil }
        return increments ? number &+ delta : (number > delta ? number - delta : 0)
    }
}
