/// Numbers: `incr`, `decr` and `ma`.
extension Shard {
    /// Adds to or subtracts from the decimal number that an item holds. Up wraps at 2^64, down stops
    /// at 0. `body` sees the new item and its number, and may set another deadline.
    mutating func arithmetic(
        _ key: Span<UInt8>, hash: UInt64, request: ArithmeticRequest, now: UInt32,
        _ body: (Hit, UInt64) -> HitUse = { _, _ in .copied }
    ) -> ArithmeticOutcome {
        enter(now: now)
        let tag = Items.tag(hash)
        let present = items.findPresent(key, tag: tag, now: now, &memory)
        let item = present.item
        guard !item.isNull else {
            guard let initial = request.initial, !refusesFenced(item, hash: hash, now: now) else {
                return .notFound
            }
            let head = ItemHead(
                clientFlags: 0, deadline: deadline(initial.deadline, replacing: .null, now: now),
                marks: request.hasEncodedKey ? ItemMark.encodedKey : 0,
                casUnique: request.casUnique)
            return write(
                initial.number, key, tag: tag, head: head, replacing: present, now: now, body)
                ? .created : .outOfMemory
        }
        guard request.comparison == 0 || request.comparison == region.casUnique(item) else {
            return .exists
        }
        guard let old = number(in: item) else { return .notANumber }
        if old == 0, request.increments, request.delta > 0, items.awaited.promisesZero(hash) {
            // As if who waits first had put its 1 there already.
            let number = 1 &+ request.delta
            apply(body(look(at: item, now: now, isNew: false), number), to: item, now: now)
            return .value(number)
        }
        let new = request.increments ? old &+ request.delta : old - min(old, request.delta)
        var head = head(of: item, keeping: .max)
        head.casUnique = request.casUnique
        renew(&head, of: item, now: now)
        items.bump(item)
        return write(new, key, tag: tag, head: head, replacing: present, now: now, body)
            ? .value(new) : .outOfMemory
    }

    private mutating func write(
        _ number: UInt64, _ key: Span<UInt8>, tag: UInt32, head: ItemHead,
        replacing old: Present, now: UInt32, _ body: (Hit, UInt64) -> HitUse
    ) -> Bool {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        let digitCount = Self.writeDigits(number, to: &digits)
        let oldByteCount = old.item.isNull ? 0 : Int(region[old.item, .valueByteCount])
        let made = digits.span.extracting(first: digitCount).withUnsafeBytes { value in
            make(key, tag: tag, head: head, value: value, replacing: old, now: now)
        }
        guard let item = made else {
            items.sums.countOutOfMemory()
            return false
        }
        // To whoever counts it is the same item, unless it has become longer: so memcached has it.
        if digitCount <= oldByteCount { items.sums.uncountStored() }
        let isNew = old.item.isNull
        apply(
            body(look(at: item, now: now, isNew: isNew), number), to: item, isNew: isNew, now: now)
        return true
    }

    /// It was accessed by then.
    private mutating func apply(_ use: HitUse, to item: Item, isNew: Bool = false, now: UInt32) {
        if isTimed {
            applyTimed(use, to: item, isAccess: false, isNew: isNew, now: now)
        } else {
            items.apply(use, to: item)
        }
    }

    /// The number that an item holds, as memcached's `strtoull` reads it: white space and a `+` may
    /// stand before it, anything behind it must begin with white space. A minus, no digits and more
    /// than 64 bits are no number.
    private func number(in item: Item) -> UInt64? {
        var number: UInt64 = 0
        var hasSign = false
        var hasDigit = false
        var pieces = ValuePieces(region: region, item: item)
        while let piece = pieces.next() {
            for byte in piece {
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"):
                    let (times10, overflow) = number.multipliedReportingOverflow(by: 10)
                    let (sum, carry) = times10.addingReportingOverflow(
                        UInt64(byte - UInt8(ascii: "0")))
                    guard !overflow, !carry else { return nil }
                    number = sum
                    hasDigit = true
                case UInt8(ascii: " "), 9...13:
                    if hasDigit { return number }
                    guard !hasSign else { return nil }
                case UInt8(ascii: "+") where !hasSign && !hasDigit: hasSign = true
                default: return nil
                }
            }
        }
        return hasDigit ? number : nil
    }

    private static func writeDigits(
        _ number: UInt64, to digits: inout InlineArray<20, UInt8>
    ) -> Int {
        var reversed = InlineArray<20, UInt8>(repeating: 0)
        var count = 0
        var left = number
        repeat {
            reversed[count] = UInt8(ascii: "0") + UInt8(left % 10)
            left /= 10
            count += 1
        } while left > 0
        for place in 0..<count { digits[place] = reversed[count - 1 - place] }
        return count
    }
}
