/// Where a connection's requests come from: each draws the next one, and keeps what must be true of
/// the keys that are its connection's.
protocol RequestSource: AnyObject {
    /// The next request, its keys appended to `asked`; nothing when there are no more.
    ///
    /// - Parameter second: of the load's clock.
    func draw(at second: UInt32, into asked: inout RingBuffer<Asked>) -> Request?

    /// An item was not there that had to be (`wasCertain`) or could be.
    func noteMiss(_ asked: Asked, _ operation: Operation, wasCertain: Bool)
}

/// Stores every key of a book once.
final class FillSource: RequestSource {
    private let book: KeyBook
    private let exptime: Int32
    private var next = 0

    init(book: KeyBook, exptime: Int32) {
        self.book = book
        self.exptime = exptime
    }

    func draw(at second: UInt32, into asked: inout RingBuffer<Asked>) -> Request? {
        guard next < book.count else { return nil }
        book[next].presence = Presence(exptime: exptime, now: second)
        asked.append(book.asked(next))
        next += 1
        return Request(operation: .set, exptime: exptime)
    }

    func noteMiss(_ asked: Asked, _ operation: Operation, wasCertain: Bool) {}
}

/// Operations on keys chosen at random, each as often as it was asked for.
final class MixSource: RequestSource {
    private let book: KeyBook
    private let mix: OperationMix
    private let exptime: Int32
    private let keysPerGet: Int
    private let hasQuietSets: Bool
    private var numbers: SeededNumbers

    init(
        book: KeyBook, mix: OperationMix, exptime: Int32, keysPerGet: Int, hasQuietSets: Bool,
        seed: UInt64
    ) {
        self.book = book
        self.mix = mix
        self.exptime = exptime
        self.keysPerGet = keysPerGet
        self.hasQuietSets = hasQuietSets
        numbers = SeededNumbers(seed: seed)
    }

    @inline(__always)
    func draw(at second: UInt32, into asked: inout RingBuffer<Asked>) -> Request? {
        let operation = mix.pick(&numbers)
        let place = numbers.below(book.count)
        switch operation {
        case .set:
            book[place].revision &+= 1
            book[place].presence = Presence(exptime: exptime, now: second)
            asked.append(book.asked(place))
            return Request(operation: .set, exptime: exptime, isQuiet: hasQuietSets)
        case .gat, .touch:
            asked.append(book.asked(place))
            book[place].presence = book[place].presence.renewed(exptime: exptime, now: second)
        case .delete:
            asked.append(book.asked(place))
            book[place].presence = .absent
        case .echo:
            asked.append(book.asked(place))
        default:
            asked.append(book.asked(place))
            for _ in 1..<keysPerGet { asked.append(book.asked(numbers.below(book.count))) }
        }
        return Request(operation: operation, exptime: exptime)
    }

    func noteMiss(_ asked: Asked, _ operation: Operation, wasCertain: Bool) {
        _ = book.noteMiss(asked)
    }
}

/// How often each operation is drawn, in parts of the sum.
package struct OperationMix: Sendable, Equatable {
    private var parts: [(operation: Operation, upTo: Int)] = []

    /// `get=90,set=10`, of the operations that a mix may have.
    package init?(_ text: String) {
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = word.split(separator: "=", omittingEmptySubsequences: false)
            guard let operation = Self.allowed.first(where: { $0.name == sides[0] }),
                sides.count <= 2, let part = sides.count == 1 ? 1 : Int(sides[1]), part >= 1,
                part <= 1_000_000, !operations.contains(operation)
            else { return nil }
            parts.append((operation, (parts.last?.upTo ?? 0) + part))
        }
    }

    package init(_ parts: [(Operation, Int)]) {
        for (operation, part) in parts where part > 0 {
            self.parts.append((operation, (self.parts.last?.upTo ?? 0) + part))
        }
    }

    package static let allowed: [Operation] = [.get, .set, .touch, .gat, .delete]

    package var operations: [Operation] { parts.map(\.operation) }

    @inline(__always)
    func pick(_ numbers: inout SeededNumbers) -> Operation {
        guard parts.count > 1 else { return parts[0].operation }
        let number = numbers.below(parts[parts.count - 1].upTo)
        return parts.first { number < $0.upTo }.unsafelyUnwrapped.operation
    }

    package static func == (one: OperationMix, other: OperationMix) -> Bool {
        one.parts.elementsEqual(other.parts) { $0 == $1 }
    }
}
