import Glibc

/// Storing, counting and deleting.
extension Shard {
    /// What a store's mode makes of the item that is there.
    private enum Verdict {
        case store
        case combine
        case refuse(StoreOutcome)
    }

    private func judge(_ mode: StoreMode, existing: Unit) -> Verdict {
        switch mode {
        case .set: .store
        case .add: existing == 0 ? .store : .refuse(.notStored)
        case .replace: existing == 0 ? .refuse(.notStored) : .store
        case .append, .prepend: existing == 0 ? .refuse(.notStored) : .combine
        case .compareAndSwap(let unique):
            if existing == 0 {
                .refuse(.notFound)
            } else if unique != 0 && region.casUnique(existing) == unique {
                .store
            } else {
                .refuse(.exists)
            }
        }
    }

    /// Stores a value that is there as a whole.
    mutating func store(
        _ key: Span<UInt8>, hash: UInt64, request: StoreRequest, value: UnsafeRawBufferPointer,
        now: UInt32, fraction: UInt32
    ) -> StoreOutcome {
        enter(now: now, fraction: fraction)
        let tag = Shard.tag(hash)
        let existing = findLive(key, tag: tag, now: now)?.item ?? 0
        switch judge(request.mode, existing: existing) {
        case .refuse(let outcome):
            // An `add` that meets an item counts as an access of it, though not as a hit.
            if request.mode == .add { queues.bump(existing) }
            return outcome
        case .store:
            // An item that takes another's place needs no slot of its own.
            guard existing != 0 || prepareIndex(tag, now: now),
                let item = allocate(
                    keyByteCount: key.count, valueByteCount: value.count, now: now)
            else { return refuseForMemory(key, tag: tag, mode: request.mode) }
            writeHeader(
                item, key: key, clientFlags: request.clientFlags, deadline: request.deadline,
                valueByteCount: value.count)
            var writer = ValueWriter(region: region, item: item)
            writer.write(value)
            publish(item, key: key, tag: tag, now: now)
            return .stored
        case .combine:
            return combine(
                existing, key: key, tag: tag, byteCount: value.count, now: now,
                prepends: request.mode == .prepend
            ) { $0.write(value) }
        }
    }

    /// Replaces an item by one whose value is its own and another, in either order.
    private mutating func combine(
        _ existing: Unit, key: Span<UInt8>, tag: UInt32, byteCount: Int, now: UInt32,
        prepends: Bool, writeAddition: (inout ValueWriter) -> Void
    ) -> StoreOutcome {
        let oldByteCount = Int(region[existing, .valueByteCount])
        let byteCount = oldByteCount + byteCount
        guard byteCount <= configuration.valueByteCountMax(keyByteCount: key.count) else {
            return .notStored
        }
        // The old item is needed while room is made for the new one: it must be the last to go.
        queues.bump(existing)
        let removals = removalCount
        guard
            let item = allocate(keyByteCount: key.count, valueByteCount: byteCount, now: now)
        else { return refuseForMemory(key, tag: tag, mode: .append) }
        guard removals == removalCount || index.find(key, tag: tag)?.item == existing else {
            extents.giveChain(item)
            return refuseForMemory(key, tag: tag, mode: .append)
        }
        writeHeader(
            item, key: key, clientFlags: region[existing, .clientFlags],
            deadline: Deadline(stored: region[existing, .deadline]), valueByteCount: byteCount)
        var writer = ValueWriter(region: region, item: item)
        if prepends { writeAddition(&writer) }
        writer.write(valueOf: existing)
        if !prepends { writeAddition(&writer) }
        publish(item, key: key, tag: tag, now: now)
        return .stored
    }

    /// Memory is short. What `set` would have replaced must not stay: it is out of date.
    private mutating func refuseForMemory(
        _ key: Span<UInt8>, tag: UInt32, mode: StoreMode
    ) -> StoreOutcome {
        outOfMemoryCount += 1
        if mode == .set, let old = index.find(key, tag: tag) {
            remove(old.item, slot: old.slot, tag: tag)
        }
        return .outOfMemory
    }

    func writeHeader(
        _ item: Unit, key: Span<UInt8>, clientFlags: UInt32, deadline: Deadline,
        valueByteCount: Int
    ) {
        region[item, .wheelPrevious] = TimingWheel.unscheduled
        region[item, .deadline] = deadline.seconds
        region[item, .clientFlags] = clientFlags
        region[item, .valueByteCount] = UInt32(valueByteCount)
        region[item, .keyByteCount] = UInt32(key.count)
        region[item, .marks] = 0
        key.withUnsafeBytes {
            region.bytes(item, offset: Region.itemHeaderByteCount, count: key.count)
                .copyMemory(from: $0)
        }
    }

    /// Lets a written item be the one of its key: the last step of every store. The index has room
    /// for it. An item whose deadline has passed is stored like any other and found to be expired.
    private mutating func publish(_ item: Unit, key: Span<UInt8>, tag: UInt32, now: UInt32) {
        let old = index.find(key, tag: tag)
        let isReplacement =
            old.map { !isFlushed($0.item) && !isExpired($0.item, now: now) } ?? false
        region.setCASUnique(item, nextCASUnique())
        region[item, .epoch] = epoch
        queues.stamp(item, replacing: isReplacement ? old?.item ?? 0 : 0, time: time(now))
        // From the item's header to the old one's both are there; recovery is told which one lost.
        if let old { region[0, .superseded] = old.item }
        region.setKind(item, .item)
        noteStored(item)
        queues.insert(item, unitCount: chainSize(item).unitCount)
        if region[item, .deadline] != 0 {
            wheel.schedule(item, deadline: region[item, .deadline])
        }
        if let old {
            index.replace(old.slot, with: item)
            retire(old.item)
            region[0, .superseded] = 0
        } else {
            index.insert(item, tag: tag)
        }
    }

    mutating func delete(_ key: Span<UInt8>, hash: UInt64, now: UInt32) -> Bool {
        enter(now: now)
        let tag = Shard.tag(hash)
        guard let found = findLive(key, tag: tag, now: now), found.item != 0 else { return false }
        remove(found.item, slot: found.slot, tag: tag)
        return true
    }

    // MARK: Numbers

    /// Adds to or subtracts from the decimal number that an item holds. Up wraps at 2^64, down stops
    /// at 0.
    mutating func arithmetic(
        _ key: Span<UInt8>, hash: UInt64, delta: UInt64, increments: Bool, now: UInt32
    ) -> ArithmeticOutcome {
        enter(now: now)
        let tag = Shard.tag(hash)
        guard let found = findLive(key, tag: tag, now: now), found.item != 0 else {
            return .notFound
        }
        guard let old = number(in: found.item) else { return .notANumber }
        let new = increments ? old &+ delta : old - min(old, delta)
        var digits = InlineArray<20, UInt8>(repeating: 0)
        let digitCount = Self.writeDigits(new, to: &digits)
        let clientFlags = region[found.item, .clientFlags]
        let deadline = Deadline(stored: region[found.item, .deadline])
        queues.bump(found.item)
        guard
            let item = allocate(keyByteCount: key.count, valueByteCount: digitCount, now: now)
        else {
            outOfMemoryCount += 1
            return .outOfMemory
        }
        writeHeader(
            item, key: key, clientFlags: clientFlags, deadline: deadline,
            valueByteCount: digitCount)
        var writer = ValueWriter(region: region, item: item)
        digits.span.extracting(first: digitCount).withUnsafeBytes { writer.write($0) }
        publish(item, key: key, tag: tag, now: now)
        return .value(new)
    }

    /// The number that an item holds, as memcached's `strtoull` reads it: white space and a `+` may
    /// stand before it, anything behind it must begin with white space. A minus, no digits and more
    /// than 64 bits are no number.
    private func number(in item: Unit) -> UInt64? {
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

/// Values that arrive in parts.
extension Shard {
    /// Extents of a value in parts are taken as it arrives: at first so much, then as much again as
    /// has arrived, up to a bound. So announcing a large value takes next to nothing from anybody.
    private static let firstPartByteCount = 16 << 10
    private static let partByteCountMax = 256 << 10

    /// Takes the first extents for a value in parts and writes the header. The writer stands where
    /// the first value byte goes, which may be in the second extent.
    mutating func begin(
        _ key: Span<UInt8>, request: StoreRequest, valueByteCount: Int, now: UInt32
    ) -> (item: Unit, writer: ValueWriter)? {
        enter(now: now)
        let headByteCount = Region.itemHeaderByteCount + key.count
        let first = min(headByteCount + valueByteCount, headByteCount + Self.firstPartByteCount)
        guard
            let item = allocateChain(
                byteCount: first, headByteCount: headByteCount, now: now)
        else {
            outOfMemoryCount += 1
            return nil
        }
        writeHeader(
            item, key: key, clientFlags: request.clientFlags, deadline: request.deadline,
            valueByteCount: valueByteCount)
        heldUnitCount += chainSize(item).unitCount
        var writer = ValueWriter(region: region, item: item)
        if writer.room == 0, valueByteCount > 0 { _ = writer.nextExtent() }
        return (item, writer)
    }

    /// Lets the writer go on: in the next extent, or in new ones for the `left` bytes to come.
    mutating func extend(
        _ writer: inout ValueWriter, arrived: Int, left: Int, now: UInt32
    ) -> Bool {
        if writer.nextExtent() { return true }
        enter(now: now)
        let byteCount =
            min(left, max(Self.firstPartByteCount, min(arrived, Self.partByteCountMax)))
            + Region.continuationHeaderByteCount
        guard
            let part = allocateChain(
                byteCount: byteCount, headByteCount: Region.continuationHeaderByteCount + 1,
                now: now)
        else {
            outOfMemoryCount += 1
            return false
        }
        region.setKind(part, .continuation)
        region[writer.extent, .link] = part
        heldUnitCount += chainSize(part).unitCount
        return writer.nextExtent()
    }

    /// Lets go of a value in parts.
    mutating func abandon(_ item: Unit) {
        heldUnitCount -= chainSize(item).unitCount
        extents.giveChain(item)
    }

    /// Stores a value that has arrived in parts.
    mutating func commit(
        _ item: Unit, key: Span<UInt8>, hash: UInt64, request: StoreRequest, now: UInt32,
        fraction: UInt32
    ) -> StoreOutcome {
        enter(now: now, fraction: fraction)
        let tag = Shard.tag(hash)
        let existing = findLive(key, tag: tag, now: now)?.item ?? 0
        switch judge(request.mode, existing: existing) {
        case .refuse(let outcome):
            if request.mode == .add { queues.bump(existing) }
            abandon(item)
            return outcome
        case .store:
            guard existing != 0 || prepareIndex(tag, now: now) else {
                abandon(item)
                return refuseForMemory(key, tag: tag, mode: request.mode)
            }
            heldUnitCount -= chainSize(item).unitCount
            publish(item, key: key, tag: tag, now: now)
            return .stored
        case .combine:
            let outcome = combine(
                existing, key: key, tag: tag, byteCount: Int(region[item, .valueByteCount]),
                now: now, prepends: request.mode == .prepend
            ) { $0.write(valueOf: item) }
            abandon(item)
            return outcome
        }
    }
}
