#if DEBUG
    import Glibc

    @testable import SessionMap

    /// Recovering from copies, and comparing.
    extension CrashRun {
        func willStore() {
            storeCount += 1
            if storesToDeath == 0 { wreck.copyMemory(from: UnsafeRawBufferPointer(memory)) }
            storesToDeath -= 1
            storesToLook -= 1
            guard storesToLook <= 0, failure == nil else { return }
            storesToLook =
                shape.storesPerLook == 1
                ? 1 : 1 + lookGenerator.number(below: 2 * shape.storesPerLook - 1)
            lookCount += 1
            copy.copyMemory(from: UnsafeRawBufferPointer(memory))
            do {
                _ = try look(at: copy, after: isRecovering ? 0 : someDownTime())
            } catch {
                failure = "before store \(storeCount): \(error)"
            }
        }

        func someDownTime() -> UInt32 {
            switch lookGenerator.number(below: 8) {
            case 0: UInt32(lookGenerator.number(below: 10_000))
            case 1, 2: UInt32(lookGenerator.number(below: 100))
            default: 0
            }
        }

        func fail(_ message: String) throws -> Never {
            throw Disagreement(description: message)
        }

        func text(_ key: [UInt8]) -> String {
            String(decoding: key.prefix(20), as: UTF8.self)
        }

        /// Recovers what a process that dies now would leave, and compares it. Returns what it found.
        func look(
            at memory: UnsafeMutableRawBufferPointer, after downTime: UInt32
        ) throws -> [[UInt8]: KnownItem] {
            let time = now + downTime
            let region = self.region(memory, nil)
            var report = RecoveryReport()
            var recovered = try Shard(
                recovering: region, byteCount: shape.regionByteCount,
                limitByteCount: limitByteCount, number: Self.number,
                configuration: configuration, hash: hash, now: time, report: &report)
            recovered.checkInvariants()
            if let damage = report.firstDamage { try fail("damaged: \(damage.reason)") }
            let pendingFlush = recovered.items.flushes.deadline.seconds
            guard pendingFlush == flushDeadline || oldFlushDeadlines.contains(pendingFlush) else {
                try fail("a flush at \(pendingFlush) is not one at \(flushDeadline)")
            }
            recovered.enter(now: time)
            let found = try collect(recovered, time: time)
            lostToIndexCount += report.evictedCount
            guard recovered.items.sums.counts[.evictions] == report.evictedCount,
                recovered.items.sums.counts[.reclaimed] >= report.expiredCount + report.flushedCount
            else { try fail("what recovery removed is not counted") }
            foundCount += found.count
            if pendingFlush != 0, pendingFlush <= time {
                guard found.isEmpty else { try fail("items outlive a flush") }
                return found
            }
            if isFlushing, found.isEmpty {
                // Wholly there or wholly not: its wish for later belongs to it.
                let hasLiving = items.values.contains { !isDead($0, at: time) }
                guard !hasLiving || pendingFlush == flushDeadline else {
                    try fail("half of a flush")
                }
            } else {
                guard !isFlushing || oldFlushDeadlines.contains(pendingFlush) else {
                    try fail("half of a flush")
                }
                try compare(found, time: time, evictedCount: report.evictedCount)
            }
            try compareOrder(recovered, time: time)
            guard recovered.casUnique(nil) > uniqueMax else {
                try fail("a CAS unique comes again")
            }
            if lookGenerator.isHit(oneIn: 10) { try goOn(&recovered, found, time: time) }
            return found
        }

        func collect(_ recovered: borrowing Shard, time: UInt32) throws -> [[UInt8]: KnownItem] {
            let region = recovered.region
            let epoch = recovered.items.flushes.epoch
            var found: [[UInt8]: KnownItem] = [:]
            var twice: [UInt8]?
            recovered.items.index.forEachItem { item, _ in
                let hit = HitCopy(recovered.look(at: item, now: time))
                guard region[item, .epoch] == epoch,
                    !Deadline(stored: region[item, .deadline]).isPassed(at: time)
                else { return }
                let marks = region.marks(item)
                let old = found.updateValue(
                    KnownItem(
                        value: hit.value, clientFlags: hit.clientFlags,
                        deadline: region[item, .deadline], casUnique: hit.casUnique,
                        isProven: marks & ItemMark.proven != 0, stamp: region[item, .accessed],
                        marks: marks & Self.lasting),
                    forKey: hit.key)
                if old != nil { twice = hit.key }
            }
            if let twice { try fail("\(text(twice)) is there twice") }
            return found
        }

        func compare(
            _ found: [[UInt8]: KnownItem], time: UInt32, evictedCount: Int
        ) throws {
            for (key, item) in found {
                if key == inFlight?.key {
                    let isAllowed = inFlight!.states.contains { state in
                        state.map { isSame($0, item, isStampKnown: false) } ?? false
                    }
                    guard isAllowed else {
                        try fail("\(text(key)) is half changed: \(brief(item))")
                    }
                } else {
                    guard let known = items[key] else { try fail("\(text(key)) has come back") }
                    guard isSame(known, item, isStampKnown: true) else {
                        try fail("\(text(key)) differs: \(brief(item)), not \(brief(known))")
                    }
                }
            }
            var missing: [[UInt8]] = []
            for (key, item) in items where found[key] == nil {
                if isDead(item, at: time) || evicting.contains(key) { continue }
                if key == inFlight?.key {
                    if inFlight!.states.contains(where: { $0.map { isDead($0, at: time) } ?? true })
                    {
                        continue
                    }
                }
                missing.append(key)
            }
            guard missing.count <= evictedCount else { try fail("\(text(missing[0])) is lost") }
        }

        func isDead(_ item: KnownItem, at time: UInt32) -> Bool {
            item.deadline != 0 && item.deadline <= time
        }

        func brief(_ item: KnownItem) -> String {
            "\(item.value.count) bytes, flags \(item.clientFlags), deadline \(item.deadline), "
                + "unique \(item.casUnique), proven \(item.isProven), stamp \(item.stamp), "
                + "marks \(item.marks)"
        }

        func isSame(_ known: KnownItem, _ item: KnownItem, isStampKnown: Bool) -> Bool {
            known.value.count == item.value.count && known.clientFlags == item.clientFlags
                && known.deadline == item.deadline && known.casUnique == item.casUnique
                && known.isProven == item.isProven && known.marks == item.marks
                && (!isStampKnown || (known.stamp ^ item.stamp) & 0xFF_FFFF == 0)
                && known.value.withUnsafeBytes { left in
                    item.value.withUnsafeBytes { right in
                        left.isEmpty
                            || memcmp(left.baseAddress!, right.baseAddress!, left.count) == 0
                    }
                }
        }

        /// In both queues, what was accessed earlier goes earlier.
        func compareOrder(_ recovered: borrowing Shard, time: UInt32) throws {
            for queue in [recovered.items.queues.probationary, recovered.items.queues.proven] {
                var item = queue.oldest
                var before: UInt32 = 0
                while !item.isNull {
                    let key = Array(recovered.region.key(item))
                    if key != inFlight?.key, let known = items[key] {
                        let isSeconds = shape.eviction == .lru || known.isProven
                        // As many whole seconds ago as recovery sees it, at the second's end.
                        let age =
                            isSeconds
                            ? Int(time) - Int(known.stamp)
                            : (Int(time) * 16 + 15 - Int(known.stamp)) / 16
                        let rank = UInt32(Int(time) - max(age, 0))
                        guard rank >= before else {
                            try fail(
                                "\(text(key)) is in the wrong order, at \(rank): \(brief(known))")
                        }
                        before = rank
                    }
                    item = queue.newer(than: item)
                }
            }
        }

        /// What was recovered can be worked with.
        func goOn(
            _ recovered: inout Shard, _ found: [[UInt8]: KnownItem], time: UInt32
        ) throws {
            for (key, item) in found.prefix(20) {
                let hash = hash.hash(key.span)
                var byteCount = -1
                _ = recovered.retrieve(
                    key.span, hash: hash, now: time, fraction: 0
                ) { hit in
                    byteCount = hit.valueByteCount
                    return .copied
                }
                guard byteCount == item.value.count else { try fail("\(text(key)) is not found") }
            }
            for _ in 0..<20 {
                let key = someKey(&lookGenerator)
                let value = someValue(key, &lookGenerator)
                _ = value.withUnsafeBytes { bytes in
                    recovered.store(
                        key.span, hash: hash.hash(key.span),
                        request: StoreRequest(mode: .set, clientFlags: 0, deadline: .never),
                        value: bytes, now: time, fraction: 0)
                }
                _ = recovered.delete(
                    someKey(&lookGenerator).span, hash: hash.hash(key.span), now: time)
            }
            recovered.checkInvariants()
        }
    }
#endif
