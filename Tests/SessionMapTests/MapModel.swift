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
        var marks: ItemMarks
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

    func put(
        _ key: [UInt8], _ value: [UInt8], clientFlags: UInt32, deadline: Deadline,
        casUnique: UInt64? = nil, marks: ItemMarks = ItemMarks()
    ) {
        accessCount += 1
        items[key] = Item(
            value: value, clientFlags: clientFlags, deadline: deadline, casUnique: casUnique,
            lastAccess: accessCount, marks: marks)
        isStale = isStale || deadline.isPassed(at: lastNow)
    }

    func forget(_ key: [UInt8]) { items[key] = nil }

    func setDeadline(_ key: [UInt8], _ deadline: Deadline) {
        items[key]?.deadline = deadline
        isStale = isStale || deadline.isPassed(at: lastNow)
    }

    func noteCASUnique(_ key: [UInt8], _ unique: UInt64?) { items[key]?.casUnique = unique }

    func mark(_ key: [UInt8], _ change: (inout ItemMarks) -> Void) {
        if var item = items[key] {
            change(&item.marks)
            items[key] = item
        }
    }

    /// The key whose last access is the longest ago.
    var oldestKey: [UInt8]? { items.min { $0.value.lastAccess < $1.value.lastAccess }?.key }

    /// What a store comes to if memory is no matter, and the value that is then there.
    struct Judgement {
        var outcome: StoreOutcome
        var value: [UInt8]
        /// The value was out of date when it came.
        var isStale = false

        init(_ outcome: StoreOutcome, _ value: [UInt8] = []) {
            self.outcome = outcome
            self.value = value
        }
    }

    func judge(
        _ key: [UInt8], _ request: StoreRequest, _ value: [UInt8], valueByteCountMax: Int
    ) -> Judgement {
        if value.count > valueByteCountMax { return Judgement(.tooLarge) }
        return Self.judge(
            items[key].map { ($0.value, $0.casUnique) }, request, value,
            valueByteCountMax: valueByteCountMax)
    }

    static func judge(
        _ old: (value: [UInt8], casUnique: UInt64?)?, _ request: StoreRequest, _ value: [UInt8],
        valueByteCountMax: Int
    ) -> Judgement {
        let comparison = request.comparison
        switch request.mode {
        case .add: return Judgement(old == nil ? .stored : .notStored, value)
        case .set, .replace:
            guard let old else {
                if comparison != nil { return Judgement(.notFound) }
                return Judgement(request.mode == .set ? .stored : .notStored, value)
            }
            guard let comparison, comparison != old.casUnique || comparison == 0 else {
                return Judgement(.stored, value)
            }
            guard request.storesStale, comparison != 0, comparison < old.casUnique ?? 0 else {
                return Judgement(.exists)
            }
            var judgement = Judgement(.stored, value)
            judgement.isStale = true
            return judgement
        case .append, .prepend:
            guard let old else {
                return Judgement(request.createsMissing ? .stored : .notStored, value)
            }
            if let comparison, comparison != 0, comparison != old.casUnique {
                return Judgement(.exists)
            }
            guard old.value.count + value.count <= valueByteCountMax else {
                return Judgement(.notStored)
            }
            return Judgement(
                .stored, request.mode == .append ? old.value + value : value + old.value)
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
