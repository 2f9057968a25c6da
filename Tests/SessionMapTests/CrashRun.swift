#if DEBUG
    @testable import SessionMap

    /// A shard that is recovered from copies of its memory, taken right before stores into it, and
    /// compared with a plain dictionary: what was acknowledged is there; what was not is wholly there or
    /// wholly not.
    ///
    /// Now and then the process "dies" for good at such a moment: the run goes on with what was
    /// recovered, and recovery itself is looked at in the same way.
    final class CrashRun {
        struct Shape {
            var name: String
            var regionByteCount: Int
            var eviction: EvictionPolicy
            var keyCount: Int
            var valueByteCountMax: Int
            /// How often at most a value's greatest size is halved before it is chosen.
            var valueHalvings = 6
            /// Every so many stores are looked at.
            var storesPerLook = 1
            /// About one step in so many ends with the death of the process; none when it is 0.
            var stepsPerDeath = 25
            var stepsPerFlush = 60
            /// Of a hundred steps about one may change the limit: every so many of those do.
            var limitRarity = 4
            var features: ArenaFeatures = []
            /// Whether the next process knows the limit, and what lies behind it has no memory.
            var keepsLimit = false
        }

        struct Disagreement: Error, CustomStringConvertible {
            var description: String
        }

        /// An item as it must be found.
        struct KnownItem {
            var value: [UInt8]
            var clientFlags: UInt32
            var deadline: UInt32
            var casUnique: UInt64
            var isProven: Bool
            /// Of the last access in seconds; of the creation in sixteenths while on probation.
            var stamp: UInt32
            /// Those of `lasting`.
            var marks: UInt32
        }

        /// Tells uniques that were wished for from those that the shard gives.
        static let wishBit: UInt64 = 1 << 62

        func someWish() -> UInt64? {
            generator.isHit(oneIn: 8) ? generator.next() | Self.wishBit : nil
        }

        /// Marks that say something of the value or the key.
        static let lasting = ItemMark.stale | ItemMark.claimed | ItemMark.encodedKey

        /// A value on its way.
        struct Pending {
            let item: Item
            var writer: ValueWriter
            let key: [UInt8]
            let value: [UInt8]
            let request: StoreRequest
            var arrivedCount = 0
        }

        let shape: Shape
        let seed: UInt64
        let configuration: MapConfiguration
        let hash: KeyHash
        let memory: UnsafeMutableRawBufferPointer
        let copy: UnsafeMutableRawBufferPointer
        let wreck: UnsafeMutableRawBufferPointer
        var shard: Shard
        var generator: SeededGenerator
        /// Of its own, so that a history does not depend on how often it is looked at.
        var lookGenerator: SeededGenerator
        var step = 0
        var storeCount = 0
        var storesToLook = 0
        /// The store of the step before which the process dies; negative for none.
        var storesToDeath = -1
        var failure: String?

        var now: UInt32 = 1_000
        /// As the next process finds it.
        var limitByteCount: Int
        var fraction: UInt32 = 0
        var items: [[UInt8]: KnownItem] = [:]
        var flushDeadline: UInt32 = 0
        var pins: [(value: PinnedValue, bytes: [UInt8])] = []
        var pendings: [Pending] = []
        var uniqueMax: UInt64 = 0

        /// What the key of the operation in flight may come to; nil is "not there".
        var inFlight: (key: [UInt8], states: [KnownItem?])?
        var evicting: Set<[UInt8]> = []
        /// Wishes for a flush later that are being replaced or carried out.
        var oldFlushDeadlines: Set<UInt32> = []
        var isFlushing = false
        var isRecovering = false

        var evictionCount = 0
        var indexUnitCountMax: UInt32 = 0
        var lookCount = 0
        var deathCount = 0
        var outcomeCounts: [String: Int] = [:]
        /// Items that recovery had to evict, and all that it found.
        var lostToIndexCount = 0
        var foundCount = 0

        // Recovery proves that a key belongs to its shard; of one shard all do.
        static let shardCount = 1
        static let number = 0

        init(_ shape: Shape, seed: UInt64) throws {
            self.shape = shape
            limitByteCount = shape.regionByteCount
            self.seed = seed
            generator = SeededGenerator(seed: seed)
            lookGenerator = SeededGenerator(seed: ~seed)
            configuration = MapConfiguration(
                byteCount: shape.regionByteCount * Self.shardCount,
                itemByteCountMax: shape.regionByteCount / 2, eviction: shape.eviction,
                shardCount: Self.shardCount, hashSeed: seed, features: shape.features)
            hash = KeyHash(seed: seed)
            let byteCount = shape.regionByteCount + Region.guardByteCount
            let make = {
                UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
            }
            memory = make()
            copy = make()
            wreck = make()
            memory.initializeMemory(as: UInt8.self, repeating: 0xA5)
            shard = Shard(
                region: Region(
                    base: memory.baseAddress!,
                    unitCount: UInt32(shape.regionByteCount / Region.unitByteCount),
                    features: shape.features), byteCount: shape.regionByteCount,
                number: Self.number, configuration: configuration, hash: hash, now: now)
            shard = try makeObserved()
        }

        deinit {
            memory.deallocate()
            copy.deallocate()
            wreck.deallocate()
        }

        func region(
            _ memory: UnsafeMutableRawBufferPointer, _ observer: StoreObserver?
        ) -> Region {
            var region = Region(
                base: memory.baseAddress!,
                unitCount: UInt32((memory.count - Region.guardByteCount) / Region.unitByteCount),
                features: shape.features)
            region.observer = observer
            return region
        }

        /// Recovers the run's own memory into a shard that is looked at.
        func makeObserved() throws -> Shard {
            let observer = StoreObserver { [unowned self] in willStore() }
            var report = RecoveryReport()
            do {
                var shard = try Shard(
                    recovering: region(memory, observer), byteCount: shape.regionByteCount,
                    limitByteCount: limitByteCount,
                    number: Self.number, configuration: configuration, hash: hash, now: now,
                    report: &report)
                try require(report.damagedCount == 0, "damage where there is none")
                shard.evictionObserver = { [unowned self] in evicting.insert(HitCopy($0).key) }
                return shard
            } catch let error as DamagedRegion {
                throw Disagreement(
                    description: "\(shape.name), SOJOURN_SEED=\(seed), step \(step): \(error)")
            }
        }

        // MARK: The history

        func run(stepCount: Int) throws {
            print("\(shape.name): SOJOURN_SEED=\(seed), \(stepCount) steps")
            while step < stepCount {
                step += 1
                let dies =
                    shape.stepsPerDeath > 0 && generator.isHit(oneIn: shape.stepsPerDeath)
                storesToDeath = dies ? generator.number(below: 30) : -1
                storeCount = 0
                advance()
                try doSomething()
                if dies, storesToDeath < 0 { try die() }
                settle()
                if let failure {
                    throw Disagreement(
                        description: "\(shape.name), SOJOURN_SEED=\(seed), step \(step), \(failure)"
                    )
                }
            }
            while let pin = pins.popLast() { try end(pin) }
            while let pending = pendings.popLast() { shard.abandon(pending.item) }
            shard.checkInvariants()
        }

        func require(_ claim: Bool, _ message: @autoclosure () -> String) throws {
            if claim { return }
            throw Disagreement(
                description: "\(shape.name), SOJOURN_SEED=\(seed), step \(step): "
                    + (failure ?? message()))
        }

        func count(_ word: String) { outcomeCounts[word, default: 0] += 1 }

        /// The process dies: what it had not published is gone, and so is the operation in flight or
        /// the rest of it.
        func die() throws {
            deathCount += 1
            memory.copyMemory(from: UnsafeRawBufferPointer(wreck))
            // What the operation came to is taken back: the wreck is older than its end.
            if let before = beforeStep { items = before }
            inFlight = inFlightAtDeath
            do {
                items = try look(at: wreck, after: 0)
            } catch {
                throw Disagreement(
                    description:
                        "\(shape.name), SOJOURN_SEED=\(seed), step \(step), death: \(error)")
            }
            for (key, item) in items where shape.eviction != .lru && !item.isProven {
                // The model keeps more bits than the item.
                items[key]!.stamp = Self.widen(item.stamp, like: now * 16 + fraction)
            }
            settle()
            flushDeadline = region(memory, nil).shardFlushes.deadline.seconds
            pins = []
            pendings = []
            isRecovering = true
            shard = try makeObserved()
            isRecovering = false
        }

        static func widen(_ stamp: UInt32, like recent: UInt32) -> UInt32 {
            recent &- ((recent &- stamp) & 0xFF_FFFF)
        }

        var beforeStep: [[UInt8]: KnownItem]?
        var inFlightAtDeath: (key: [UInt8], states: [KnownItem?])?

        /// Nothing is in flight any more.
        func settle() {
            for item in items.values where item.casUnique & Self.wishBit == 0 {
                uniqueMax = max(uniqueMax, item.casUnique)
            }
            inFlight = nil
            inFlightAtDeath = nil
            beforeStep = nil
            evicting = []
            oldFlushDeadlines = []
            isFlushing = false
        }

        /// Lets time pass, and forgets what is dead by then.
        func advance() {
            if generator.isHit(oneIn: 2) {
                let sixteenths =
                    now * 16 + fraction
                    + UInt32(generator.number(below: 1 << generator.number(below: 7)))
                now = sixteenths / 16
                fraction = sixteenths % 16
            }
            if generator.isHit(oneIn: 150) { now += UInt32(generator.number(below: 3_000)) }
            if flushDeadline != 0, flushDeadline <= now {
                oldFlushDeadlines = [flushDeadline]
                flushDeadline = 0
                items = [:]
                shard.enter(now: now)
            }
            items = items.filter { !isDead($0.value, at: now) }
            beforeStep = items
        }

        func doSomething() throws {
            switch generator.number(below: 100) {
            case 0..<36: try store()
            case 36..<60: try retrieve()
            case 60..<64: try delete()
            case 64..<66: try invalidate()
            case 66..<72: try countUpOrDown()
            case 72..<76: begin()
            case 76..<88: try continuePending()
            case 88..<91: if let pin = pins.popLast() { try end(pin) }
            case 91..<94: if generator.isHit(oneIn: max(1, shape.stepsPerFlush / 30)) { flush() }
            case 94: if generator.isHit(oneIn: shape.limitRarity) { setLimit() }
            case 95:
                // As the index does it when it has no room to grow.
                if shard.makeRun(UInt32(1 + generator.number(below: 300))) { count("run made") }
            default:
                let isRetreating = shard.retreat != nil
                // A region's end takes many turns to be left.
                for _ in 0..<(shape.limitRarity > 1 ? 1 : 8) {
                    _ = shard.maintain(now: now, itemBudget: 1 + generator.number(below: 30))
                }
                if isRetreating, shard.retreat == nil { count("retreat") }
            }
            for key in evicting where key != inFlight?.key { items[key] = nil }
            evictionCount += evicting.count
            indexUnitCountMax = max(indexUnitCountMax, shard.items.index.unitCount)
        }

        func someKey(_ generator: inout SeededGenerator) -> [UInt8] {
            let number = generator.number(below: shape.keyCount)
            var key = Array("\(number % 9 == 0 ? "n" : "key")-\(number)".utf8)
            if number % 7 == 0 {
                key += [UInt8](repeating: 0x78, count: number * 13 % (251 - key.count))
            }
            return key
        }

        func someValue(_ key: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
            if key[0] == UInt8(ascii: "n") {
                return Array("\(generator.next() >> UInt64(generator.number(below: 64)))".utf8)
            }
            let reach = shape.valueByteCountMax >> generator.number(below: shape.valueHalvings)
            let start = generator.number(below: 1_000)
            return Array(Self.pattern[start..<start + generator.number(below: reach + 1)])
        }

        static let pattern: [UInt8] = {
            var generator = SeededGenerator(seed: 0)
            var words: [UInt64] = []
            for _ in 0..<(1 << 17) { words.append(generator.next()) }
            return words.withUnsafeBytes { Array($0) }
        }()

        func someRequest(_ key: [UInt8]) -> StoreRequest {
            let mode: StoreMode =
                switch generator.number(below: 12) {
                case 0...4: .set
                case 5, 6: .add
                case 7: .replace
                case 8: .append
                case 9: .prepend
                default: .set
                }
            let deadline: Deadline =
                switch generator.number(below: 8) {
                case 0...4: .never
                case 5: generator.isHit(oneIn: 2) ? .past : .at(UInt64(now) + 1)
                default: .at(UInt64(now) + UInt64(generator.number(below: 600)))
                }
            let comparison = generator.isHit(oneIn: 6) ? items[key]?.casUnique ?? 12_345 : nil
            var request = StoreRequest(
                mode: mode, clientFlags: UInt32(truncatingIfNeeded: generator.next()),
                deadline: deadline, comparison: comparison)
            request.hasEncodedKey = generator.isHit(oneIn: 4)
            request.createsMissing = generator.isHit(oneIn: 4)
            if let comparison, comparison > 1, generator.isHit(oneIn: 2) {
                request.comparison = comparison - 1
                request.storesStale = generator.isHit(oneIn: 2)
            }
            request.casUnique = someWish()
            return request
        }
    }

    extension Shard {
        mutating func makeRun(_ length: UInt32) -> Bool { items.makeRun(length, &memory) }
    }
#endif
