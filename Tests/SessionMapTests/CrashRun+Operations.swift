#if DEBUG
    @testable import SessionMap

    /// What the shard is asked for, and what it must come to.
    extension CrashRun {
        /// What the key's item becomes when it is stored now.
        func successor(
            of old: Item?, value: [UInt8], clientFlags: UInt32, deadline: UInt32, fraction: UInt32
        ) -> Item {
            let isProven = old?.isProven ?? false
            let isSeconds = shape.eviction == .lru || isProven
            let unique =
                (shard.casCounter + 1) * UInt64(Self.shardCount) + UInt64(Self.number)
            return Item(
                value: value, clientFlags: clientFlags, deadline: deadline, casUnique: unique,
                isProven: isProven, stamp: isSeconds ? now : old?.stamp ?? now * 16 + fraction)
        }

        func announce(_ key: [UInt8], _ states: [Item?]) {
            inFlight = (key, states)
            inFlightAtDeath = inFlight
        }

        func judge(
            _ key: [UInt8], _ request: StoreRequest, _ value: [UInt8]
        ) -> (outcome: StoreOutcome, value: [UInt8]) {
            let old = items[key]
            switch request.mode {
            case .set: return (.stored, value)
            case .add: return (old == nil ? .stored : .notStored, value)
            case .replace: return (old == nil ? .notStored : .stored, value)
            case .append, .prepend:
                let limit = configuration.valueByteCountMax(keyByteCount: key.count)
                guard let old, old.value.count + value.count <= limit else {
                    return (.notStored, [])
                }
                return (.stored, request.mode == .append ? old.value + value : value + old.value)
            case .compareAndSwap(let unique):
                guard let old else { return (.notFound, []) }
                return (old.casUnique == unique ? .stored : .exists, value)
            }
        }

        func store(
            _ key: [UInt8], _ request: StoreRequest, _ value: [UInt8],
            by body: () -> StoreOutcome
        ) throws {
            let old = items[key]
            let judged = judge(key, request, value)
            let combines = request.mode == .append || request.mode == .prepend
            let flags = combines ? old?.clientFlags ?? 0 : request.clientFlags
            let deadline = combines ? old?.deadline ?? 0 : request.deadline.seconds
            let make = { [self] (old: Item?) in
                successor(
                    of: old, value: judged.value, clientFlags: flags, deadline: deadline,
                    fraction: fraction)
            }
            let after = make(old)
            // The old item may have to make room for the new one, which then starts anew.
            let afresh = make(nil)
            var states = judged.outcome == .stored ? [old, after, afresh] : [old]
            // Without memory for a new value the old one goes, being out of date.
            if request.mode == .set, value.count > shape.regionByteCount / 16 { states.append(nil) }
            announce(key, states)
            let outcome = body()
            count("\(outcome)")
            switch outcome {
            case .stored: items[key] = evicting.contains(key) ? afresh : after
            case .outOfMemory:
                if request.mode == .set || evicting.contains(key) { items[key] = nil }
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
                var half = after!
                if let touch { after!.deadline = touch.seconds }
                half.deadline = old.deadline
                announce(key, [old, half, after])
            }
            let pins = generator.isHit(oneIn: 6) && self.pins.count < 3
            var copy: HitCopy?
            let result = shard.retrieve(
                key.span, hash: hash.hash(key.span), now: now, fraction: fraction, touch: touch
            ) { hit in
                copy = HitCopy(hit)
                return pins ? .later : .copied
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
            shard.unpin(pin.value.item)
            try require(bytes == pin.bytes, "a pinned value has changed")
        }

        func delete() throws {
            let key = someKey(&generator)
            let old = items[key]
            announce(key, [old, nil])
            let isDeleted = shard.delete(key.span, hash: hash.hash(key.span), now: now)
            items[key] = nil
            try require(isDeleted == (old != nil), "a wrong answer to a delete")
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
            var after: Item?
            var afresh: Item?
            if let old, let new {
                let make = { [self] (from: Item?) in
                    successor(
                        of: from, value: Array("\(new)".utf8), clientFlags: old.clientFlags,
                        deadline: old.deadline, fraction: 0)
                }
                after = make(old)
                afresh = make(nil)
            }
            announce(key, [old, after, afresh])
            switch shard.arithmetic(
                key.span, hash: hash.hash(key.span), delta: delta, increments: increments, now: now)
            {
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
                shard.flushDeadline = .at(UInt64(flushDeadline))
                count("flush later")
            }
        }

        func setLimit() {
            let percent = generator.isHit(oneIn: 2) ? 100 : 60 + generator.number(below: 40)
            shard.setLimit(byteCount: shape.regionByteCount * percent / 100 / 16 * 16)
        }
    }
#endif
