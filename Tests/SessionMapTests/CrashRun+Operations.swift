#if DEBUG
    @testable import SessionMap

    /// What the shard is asked for, and what it must come to.
    extension CrashRun {
        /// What the key's item becomes when it is stored now.
        func successor(
            of old: KnownItem?, value: [UInt8], clientFlags: UInt32, deadline: UInt32,
            fraction: UInt32, marks: UInt32 = 0, wish: UInt64? = nil
        ) -> KnownItem {
            let isProven = old?.isProven ?? false
            let isSeconds = shape.eviction == .lru || isProven
            return KnownItem(
                value: value, clientFlags: clientFlags, deadline: deadline,
                casUnique: wish ?? nextUnique, isProven: isProven,
                stamp: isSeconds ? now : old?.stamp ?? now * 16 + fraction, marks: marks)
        }

        private var nextUnique: UInt64 {
            (shard.casCounter + 1) * UInt64(Self.shardCount) + UInt64(Self.number)
        }

        func announce(_ key: [UInt8], _ states: [KnownItem?]) {
            inFlight = (key, states)
            inFlightAtDeath = inFlight
        }

        func judge(
            _ key: [UInt8], _ request: StoreRequest, _ value: [UInt8]
        ) -> MapModel.Judgement {
            MapModel.judge(
                items[key].map { ($0.value, $0.casUnique) }, request, value,
                valueByteCountMax: configuration.valueByteCountMax(keyByteCount: key.count))
        }

        private func encodedKeyMark(_ isEncoded: Bool) -> UInt32 {
            isEncoded ? ItemMark.encodedKey : 0
        }

        func store(
            _ key: [UInt8], _ request: StoreRequest, _ value: [UInt8],
            by body: () -> StoreOutcome
        ) throws {
            let old = items[key]
            let judged = judge(key, request, value)
            let joined = request.mode == .append || request.mode == .prepend ? old : nil
            let flags = joined?.clientFlags ?? request.clientFlags
            var deadline = joined?.deadline ?? request.deadline.seconds
            var marks =
                joined.map { $0.marks & ItemMark.encodedKey }
                ?? encodedKeyMark(request.hasEncodedKey)
            if judged.isStale, let old {
                deadline = old.deadline
                marks |= ItemMark.stale | old.marks & ItemMark.claimed
                count("stale")
            }
            let make = { [self, marks, deadline] (old: KnownItem?) in
                successor(
                    of: old, value: judged.value, clientFlags: flags, deadline: deadline,
                    fraction: fraction, marks: marks, wish: request.casUnique)
            }
            let after = make(old)
            // The old item may have to make room for the new one, which then starts anew.
            let afresh = make(nil)
            var states = judged.outcome == .stored ? [old, after, afresh] : [old]
            // Without memory for a new value the old one goes, being out of date.
            if request.dropsOldWhenRefused, value.count > shape.regionByteCount / 16 {
                states.append(nil)
            }
            announce(key, states)
            let outcome = body()
            count("\(outcome)")
            switch outcome {
            case .stored: items[key] = evicting.contains(key) ? afresh : after
            case .outOfMemory:
                if request.dropsOldWhenRefused || evicting.contains(key) { items[key] = nil }
            default: break
            }
            if let item = items[key], item.deadline != 0, item.deadline <= now { items[key] = nil }
            try require(
                outcome == judged.outcome || outcome == .outOfMemory,
                "\(request.mode) of \(text(key)): \(outcome), not \(judged.outcome)")
        }

        func store() throws {
            let key = someKey(&generator)
            let value = someValue(key, &generator)
            let request = someRequest(key)
            try store(key, request, value) {
                value.withUnsafeBytes { bytes in
                    shard.store(
                        key.span, hash: hash.hash(key.span), request: request, value: bytes,
                        now: now, fraction: fraction)
                }
            }
        }

        func retrieve() throws {
            let key = someKey(&generator)
            let touch: Deadline? =
                generator.isHit(oneIn: 4)
                ? generator.isHit(oneIn: 3)
                    ? .never : .at(UInt64(now) + UInt64(generator.number(below: 600))) : nil
            let claims = generator.isHit(oneIn: 8)
            let old = items[key]
            var after = old
            if let old {
                if shape.eviction == .lru || old.isProven {
                    after!.stamp = now
                } else if case .probation(_, let proofAge) = shape.eviction,
                    now * 16 + fraction >= old.stamp + UInt32(proofAge) * 16
                {
                    after!.isProven = true
                    after!.stamp = now
                }
                let half = after!
                if claims { after!.marks |= ItemMark.claimed }
                let claimed = after!
                if let touch { after!.deadline = touch.seconds }
                announce(key, [old, half, claimed, after])
            }
            let pins = generator.isHit(oneIn: 6) && self.pins.count < 3
            var copy: HitCopy?
            let result = shard.retrieve(
                key.span, hash: hash.hash(key.span), now: now, fraction: fraction
            ) { hit in
                copy = HitCopy(hit)
                var use = HitUse.touched(touch)
                use.pinsValue = pins
                use.claims = claims
                return use
            }
            items[key] = after
            if let item = after, item.deadline != 0, item.deadline <= now { items[key] = nil }
            if let pinned = result.pinned { self.pins.append((pinned, old?.value ?? [])) }
            try require(
                copy?.value == old?.value && copy?.casUnique == old?.casUnique,
                "a wrong hit of \(text(key))")
            count(old == nil ? "miss" : after!.isProven == old!.isProven ? "hit" : "proof")
        }

        func end(_ pin: (value: PinnedValue, bytes: [UInt8])) throws {
            let bytes = pin.value.bytes
            shard.memory.unpin(pin.value.item)
            try require(bytes == pin.bytes, "a pinned value has changed")
        }

        func delete() throws {
            let key = someKey(&generator)
            let old = items[key]
            announce(key, [old, nil])
            let outcome = shard.delete(key.span, hash: hash.hash(key.span), now: now)
            items[key] = nil
            try require(
                outcome == (old == nil ? .notFound : .deleted), "a wrong answer to a delete")
        }

        func invalidate() throws {
            let key = someKey(&generator)
            let empties = generator.isHit(oneIn: 2)
            var invalidation = Invalidation(
                emptyClientFlags: empties ? 7 : nil,
                marksStale: !empties || generator.isHit(oneIn: 2),
                deadline: generator.isHit(oneIn: 2) ? .at(UInt64(now) + 30) : nil)
            invalidation.casUnique = someWish()
            let old = items[key]
            var states = [old]
            if let old, empties {
                let make = { [self] (from: KnownItem?) in
                    successor(
                        of: from, value: [], clientFlags: 7,
                        deadline: invalidation.deadline?.seconds ?? 0, fraction: 0,
                        marks: invalidation.marksStale ? ItemMark.stale : 0,
                        wish: invalidation.casUnique)
                }
                states += [make(old), make(nil)]
            } else if var item = old {
                // In place: a death in between leaves a part, each of which is well by itself.
                item.marks = item.marks & ~ItemMark.claimed | ItemMark.stale
                states.append(item)
                item.casUnique = invalidation.casUnique ?? nextUnique
                states.append(item)
                if let deadline = invalidation.deadline { item.deadline = deadline.seconds }
                states.append(item)
            }
            announce(key, states)
            let outcome = shard.invalidate(
                key.span, hash: hash.hash(key.span), invalidation, comparison: nil, now: now)
            count("invalidated: \(outcome)")
            switch outcome {
            case .deleted:
                let isAfresh = empties && evicting.contains(key)
                items[key] = empties && !isAfresh ? states[1] : states[states.count - 1]
            case .outOfMemory: if evicting.contains(key) { items[key] = nil }
            case .notFound, .exists: break
            }
            try require(
                outcome == (old == nil ? .notFound : .deleted) || outcome == .outOfMemory,
                "a wrong answer to an invalidation")
        }

        func countUpOrDown() throws {
            let number = generator.number(below: (shape.keyCount + 8) / 9) * 9
            var key = Array("n-\(number)".utf8)
            if number % 7 == 0 {
                key += [UInt8](repeating: 0x78, count: number * 13 % (251 - key.count))
            }
            let delta = generator.next() >> UInt64(generator.number(below: 64))
            let increments = generator.isHit(oneIn: 2)
            let old = items[key]
            let new = old.flatMap {
                MapModel.count($0.value, by: delta, increments: increments)
            }
            var after: KnownItem?
            var afresh: KnownItem?
            if let old, let new {
                let make = { [self] (from: KnownItem?) in
                    successor(
                        of: from, value: Array("\(new)".utf8), clientFlags: old.clientFlags,
                        deadline: old.deadline, fraction: 0, marks: old.marks)
                }
                after = make(old)
                afresh = make(nil)
            }
            announce(key, [old, after, afresh])
            switch shard.arithmetic(
                key.span, hash: hash.hash(key.span),
                request: ArithmeticRequest(delta: delta, increments: increments), now: now)
            {
            case .created, .exists: try require(false, "nobody asked for that")
            case .value(let value):
                try require(value == new, "a wrong number")
                items[key] = evicting.contains(key) ? afresh : after
                count("counted")
            case .notFound: try require(old == nil, "a number is not found")
            case .notANumber: try require(old != nil && new == nil, "a number is none")
            case .outOfMemory: if evicting.contains(key) { items[key] = nil }
            }
        }

        func begin() {
            guard pendings.count < 3 else { return }
            let key = someKey(&generator)
            let value = someValue(key, &generator)
            let request = someRequest(key)
            guard
                let (item, writer) = shard.begin(
                    key.span, request: request, valueByteCount: value.count, now: now)
            else { return }
            pendings.append(
                Pending(item: item, writer: writer, key: key, value: value, request: request))
        }

        func continuePending() throws {
            guard let number = pendings.indices.randomElement(using: &generator) else { return }
            var pending = pendings.remove(at: number)
            if generator.isHit(oneIn: 12) { return shard.abandon(pending.item) }
            var left = pending.value.count - pending.arrivedCount
            var chunk = min(left, 1 + generator.number(below: shape.valueByteCountMax))
            while chunk > 0 {
                let window = pending.writer.window(atMost: chunk)
                window.copyBytes(from: pending.value[pending.arrivedCount...].prefix(window.count))
                pending.writer.advance(by: window.count)
                pending.arrivedCount += window.count
                chunk -= window.count
                left -= window.count
                guard left > 0, pending.writer.room == 0 else { continue }
                guard
                    shard.extend(
                        &pending.writer, arrived: pending.arrivedCount, left: left, now: now)
                else {
                    return shard.abandon(pending.item)
                }
            }
            guard left == 0 else { return pendings.append(pending) }
            count("committed")
            // Room that was made for the value before does not belong to the store.
            for key in evicting { items[key] = nil }
            let done = pending
            try store(done.key, done.request, done.value) {
                shard.commit(
                    done.item, key: done.key.span, hash: hash.hash(done.key.span),
                    request: done.request, now: now, fraction: fraction)
            }
        }

        func flush() {
            if generator.isHit(oneIn: 2) {
                isFlushing = true
                oldFlushDeadlines.insert(flushDeadline)
                flushDeadline = 0
                shard.flush()
                items = [:]
                count("flush")
            } else {
                oldFlushDeadlines.insert(flushDeadline)
                flushDeadline = now + 1 + UInt32(generator.number(below: 20))
                shard.items.flush(at: .at(UInt64(flushDeadline)))
                count("flush later")
            }
        }

        func setLimit() {
            let percent = generator.isHit(oneIn: 2) ? 100 : 60 + generator.number(below: 40)
            let limit = shape.regionByteCount * percent / 100 / 16 * 16
            if shape.keepsLimit { limitByteCount = limit }
            shard.setLimit(byteCount: limit)
        }
    }
#endif
