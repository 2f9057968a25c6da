import Synchronization

/// The items of one node: a fixed amount of memory, cut into shards by key.
///
/// Goals: any thread may call any function at any time; constant time; memory never beyond the
/// configured size; any item up to the item limit finds room as long as the total does. Not goals:
/// I/O and clocks (`now` is seconds on the node's clock, never less than `Deadline.clockStart`, and
/// `fraction` the sixteenths of a second on top, which decide what is old enough to be proven); a
/// consistent view of several keys.
///
/// One shard lock is held during an operation, never two. Closures are called with the lock held:
/// they must not call the map.
///
/// `@unchecked Sendable`: the shards are reached through `withShard` alone, which holds the shard's
/// lock; everything else is immutable.
package final class SessionMap: @unchecked Sendable {
    package let configuration: MapConfiguration
    private let arena: Arena
    let hash: KeyHash
    /// Apart from the shards: whoever takes a lock must not touch what another thread changes.
    private let locks: UnsafeMutablePointer<ShardLock>
    private let shards: UnsafeMutablePointer<Shard>
    /// The page in front of the regions, in memory that outlives the map.
    let page: UnsafeMutableRawPointer?
    /// Held while what the page says of the regions' room is written.
    private let changes = Mutex(())

    /// A map in memory of its own, which goes with it.
    package init(_ configuration: MapConfiguration, now: UInt32) throws(MapError) {
        self.configuration = configuration
        let share = Self.share(of: configuration.byteCount, shardCount: configuration.shardCount)
        arena = try Arena(
            regionByteCount: share, growth: Self.growthMax,
            regionCount: configuration.shardCount, features: configuration.features,
            locksPages: configuration.locksPages)
        page = nil
        hash = KeyHash(seed: configuration.hashSeed)
        shards = .allocate(capacity: configuration.shardCount)
        locks = Self.makeLocks(configuration.shardCount)
        layOut(share: share, now: now)
        letPagesGoBack()
    }

    /// The size that memory must have to hold a map of `byteCount` bytes and outlive it.
    package static func arenaByteCount(forMapOf byteCount: Int) -> Int {
        ArenaHeader.byteCount + byteCount + ArenaHeader.byteCount
    }

    /// A new map in `memory`, which outlives it, and from which another process can take it over. The
    /// memory must be zero, and of the size that `arenaByteCount` tells.
    package init(
        _ configuration: MapConfiguration, in memory: UnsafeMutableRawBufferPointer, now: UInt32
    ) throws(MapError) {
        self.configuration = configuration
        let header = ArenaHeader.planned(for: configuration)
        arena = try Arena(
            memory: memory, header: header, locksPages: configuration.locksPages)
        page = memory.baseAddress
        hash = KeyHash(seed: configuration.hashSeed)
        shards = .allocate(capacity: configuration.shardCount)
        locks = Self.makeLocks(configuration.shardCount)
        layOut(share: header.regionByteCount, limit: header.limitByteCount, now: now)
        if let page { header.write(to: page) }
        letPagesGoBack()
    }

    private func letPagesGoBack() {
        let pages = arena.pages
        for number in 0..<shardCount { withShard(number) { $0.memory.pages = pages } }
    }

    /// The map that another process has left in `memory`, whenever it died. `header` is the memory's;
    /// its shards and its hash seed replace the configuration's.
    ///
    /// - Parameter eachShard: shards are taken over by its calls.
    package init(
        _ configuration: MapConfiguration, recovering memory: UnsafeMutableRawBufferPointer,
        header: ArenaHeader, now: UInt32, report: inout RecoveryReport,
        eachShard: EachNumber = {
            count, body in
            for number in 0..<count { body(number) }
        }
    ) throws(MapError) {
        precondition(header.arenaByteCount == memory.count)
        let count = header.regionCount
        let configuration = configuration.with(header)
        let hash = KeyHash(seed: header.hashSeed)
        let arena = try Arena(
            memory: memory, header: header, locksPages: configuration.locksPages)
        shards = try Self.recover(
            arena, header: header, configuration: configuration, hash: hash, now: now,
            report: &report, eachShard: eachShard)
        self.configuration = configuration
        self.arena = arena
        self.hash = hash
        page = memory.baseAddress
        locks = Self.makeLocks(count)
        letPagesGoBack()
    }

    private static func makeLocks(_ count: Int) -> UnsafeMutablePointer<ShardLock> {
        let locks = UnsafeMutablePointer<ShardLock>.allocate(capacity: count)
        for number in 0..<count { (locks + number).initialize(to: ShardLock()) }
        return locks
    }

    static func share(of byteCount: Int, shardCount: Int) -> Int {
        precondition(byteCount >= MapConfiguration.byteCountMin && shardCount.nonzeroBitCount == 1)
        let share = byteCount / shardCount / Region.unitByteCount
        precondition(share <= Int(Region.unitCountMax), "a shard that is too large")
        return share * Region.unitByteCount
    }

    private func layOut(share: Int, limit: Int? = nil, now: UInt32) {
        for number in 0..<shardCount {
            (shards + number).initialize(
                to: Shard(
                    region: arena.region(number), byteCount: share, number: number,
                    configuration: configuration, hash: hash, now: now))
            if let limit, limit < share {
                shards[number].setLimit(byteCount: limit, isSettled: true)
            }
        }
    }

    /// Keeps the time with the map, if its memory outlives it. One thread calls this, now and then:
    /// time goes on from here after a restart.
    package func save(_ clock: SavedClock) {
        guard let page else { return }
        clock.write(to: page)
        page.storeBytes(
            of: lifetimes.lead, toByteOffset: ArenaHeader.birthClockLead, as: Int64.self)
    }

    package var lifetimes: Lifetimes { configuration.lifetimes }

    package var keepsBirths: Bool { configuration.features.contains(.births) }

    /// Other rules on how long items live: for what is stored, touched or accessed from now on. False where births were
    /// needed and none are kept.
    package func setTimeouts(_ rules: TimeoutRules) -> Bool {
        guard rules.absoluteSeconds == 0 || keepsBirths else { return false }
        lifetimes.set(rules)
        for number in 0..<shardCount { withShard(number) { $0.noteRules() } }
        return true
    }

    deinit {
        shards.deinitialize(count: configuration.shardCount)
        shards.deallocate()
        locks.deinitialize(count: configuration.shardCount)
        locks.deallocate()
    }

    package var shardCount: Int { configuration.shardCount }

    @inline(__always)
    func withShard<R: ~Copyable>(_ number: Int, _ body: (inout Shard) -> R) -> R {
        precondition(number >= 0 && number < configuration.shardCount)
        locks[number].lock()
        let result = body(&shards[number])
        locks[number].unlock()
        return result
    }

    /// Upper half of the hash: the shard. Lower half: the place in its index.
    @inline(__always)
    func shardNumber(_ hash: UInt64) -> Int {
        Int(hash >> 32) & (configuration.shardCount - 1)
    }

    // MARK: Reading

    /// Reads the item of a key, or one that it makes for want of it. `body` sees the item as it was
    /// before, with the lock held, and says what becomes of it. Returns why there was none, if so, and
    /// the pinned value if `body` asked for it.
    package func retrieve(
        _ key: Span<UInt8>, now: UInt32, fraction: UInt32 = 0, isAccess: Bool = true,
        creating new: Vivification? = nil, _ body: (Hit) -> HitUse
    ) -> (outcome: RetrievalOutcome, absence: RetrievalOutcome?, pinned: PinnedValue?) {
        let hash = hash.hash(key)
        return withShard(shardNumber(hash)) { shard in
            shard.retrieve(
                key, hash: hash, now: now, fraction: fraction, isAccess: isAccess,
                creating: new, body)
        }
    }

    /// Shows `body` the item of a key. Nothing comes of it: it is no access, and what has expired stays
    /// until somebody meets it.
    package func peek(
        _ key: Span<UInt8>, now: UInt32, fraction: UInt32 = 0, _ body: (Hit) -> Void
    ) -> RetrievalOutcome {
        let hash = hash.hash(key)
        return withShard(shardNumber(hash)) {
            $0.peek(key, hash: hash, now: now, fraction: fraction, body)
        }
    }

    /// Ends what `retrieve` pinned.
    package func unpin(_ value: PinnedValue) {
        withShard(value.shard) { $0.memory.unpin(value.item) }
    }

    /// Whether a live item is there. An access, as it is for `add`.
    package func contains(_ key: Span<UInt8>, now: UInt32) -> Bool {
        let hash = hash.hash(key)
        return withShard(shardNumber(hash)) { shard in
            shard.enter(now: now)
            guard
                let found = shard.items.findLive(
                    key, tag: Items.tag(hash), now: now, &shard.memory),
                found.outcome == .hit
            else { return false }
            shard.items.bump(found.item)
            return true
        }
    }

    /// Takes note that an item was read elsewhere, and is in use.
    package func prove(_ key: Span<UInt8>, now: UInt32, fraction: UInt32 = 0) {
        let hash = hash.hash(key)
        withShard(shardNumber(hash)) { $0.prove(key, hash: hash, now: now, fraction: fraction) }
    }

    // MARK: Writing

    /// Whether a value may be so long. For who asks each time: the configuration is not copied.
    package func admits(valueByteCount: Int, keyByteCount: Int) -> Bool {
        valueByteCount <= configuration.valueByteCountMax(keyByteCount: keyByteCount)
    }

    /// `body` sees the item that was stored, with the lock held.
    package func store(
        _ key: Span<UInt8>, _ request: StoreRequest, value: Span<UInt8>, now: UInt32,
        fraction: UInt32 = 0, _ body: (Hit) -> Void = { _ in }
    ) -> StoreOutcome {
        guard admits(valueByteCount: value.count, keyByteCount: key.count) else {
            return refuseTooLarge(key, request, now: now)
        }
        let hash = hash.hash(key)
        return value.withUnsafeBytes { bytes in
            withShard(shardNumber(hash)) { shard in
                shard.store(
                    key, hash: hash, request: request, value: bytes, now: now,
                    fraction: fraction, body)
            }
        }
    }

    func refuseTooLarge(
        _ key: Span<UInt8>, _ request: StoreRequest, now: UInt32
    ) -> StoreOutcome {
        if request.dropsOldWhenRefused { _ = delete(key, now: now) }
        return .tooLarge
    }

    /// Deletes the item of a key; with a comparison, only if that is its CAS unique. Nothing is stored under the key of
    /// what was deleted before the second `fencingUntil`.
    package func delete(
        _ key: Span<UInt8>, comparison: UInt64? = nil, fencingUntil end: UInt32 = 0, now: UInt32
    ) -> DeleteOutcome {
        let hash = hash.hash(key)
        return withShard(shardNumber(hash)) {
            $0.delete(key, hash: hash, comparison: comparison, fencingUntil: end, now: now)
        }
    }

    /// Makes the item of a key useless without deleting it; with a comparison, only if that is its CAS
    /// unique.
    package func invalidate(
        _ key: Span<UInt8>, _ invalidation: Invalidation, comparison: UInt64? = nil, now: UInt32
    ) -> DeleteOutcome {
        let hash = hash.hash(key)
        return withShard(shardNumber(hash)) {
            $0.invalidate(key, hash: hash, invalidation, comparison: comparison, now: now)
        }
    }

    /// Changes the number in an item. `body` sees the new item and the number, with the lock held,
    /// and may set another deadline.
    package func arithmetic(
        _ key: Span<UInt8>, _ request: ArithmeticRequest, now: UInt32,
        _ body: (Hit, UInt64) -> HitUse = { _, _ in .copied }
    ) -> ArithmeticOutcome {
        let hash = hash.hash(key)
        return withShard(shardNumber(hash)) { shard in
            shard.arithmetic(key, hash: hash, request: request, now: now, body)
        }
    }

    // MARK: The whole map

    /// Lets everything that is stored now be gone. Takes back a flush that was asked for in advance.
    package func flush() {
        for number in 0..<shardCount { withShard(number) { $0.flush() } }
    }

    /// Lets everything be gone that is stored at a moment to come. Replaces an earlier wish of the
    /// kind, unless that is due already.
    package func flush(at deadline: Deadline, now: UInt32) {
        for number in 0..<shardCount {
            withShard(number) { shard in
                shard.enter(now: now)
                shard.items.flush(at: deadline)
            }
        }
    }

    /// One bounded turn of what must be done in a shard as time goes by: expired and flushed items
    /// leave. True when more is due already; call again soon, but let others have the lock.
    package func maintain(shard number: Int, now: UInt32, itemBudget: Int) -> Bool {
        let (hasMore, hasRetreated) = withShard(number) { shard in
            let wasRetreating = shard.retreat != nil
            let hasMore = shard.maintain(now: now, itemBudget: itemBudget)
            return (hasMore, wasRetreating && shard.retreat == nil)
        }
        if hasRetreated { settle() }
        return hasMore
    }

    // MARK: Room to grow

    private func writeRoom(limitByteCount: Int, isSettled: Bool) {
        guard let page, hasRoom else { return }
        ArenaRoom(
            unitCount: UInt32(limitByteCount / Region.unitByteCount), isSettled: isSettled
        ).write(to: page)
    }

    private var hasRoom: Bool {
        page.map {
            ArenaRoom(UnsafeRawBufferPointer(start: $0, count: ArenaHeader.byteCount)) != nil
        } ?? false
    }

    /// Takes note, once no shard has anything behind its limit any more.
    private func settle() {
        guard let page, hasRoom else { return }
        changes.withLock { _ in
            var limits: Set<UInt32> = []
            for number in 0..<shardCount {
                let limit = withShard(number) { shard -> UInt32? in
                    shard.retreat == nil ? shard.memory.extents.fence + 1 : nil
                }
                guard let limit else { return }
                limits.insert(limit)
            }
            // Of two changes at the same time the later one does it.
            guard let limit = limits.first, limits.count == 1 else { return }
            ArenaRoom(unitCount: limit, isSettled: true).write(to: page)
        }
    }

    /// The memory limit can be raised to this many times what the map began with.
    package static let growthMax = 16

    package var limitByteCountMax: Int { arena.limitByteCountMax * shardCount }

    /// Whether a limit has room for two of the largest items in each shard, and is not above what the
    /// map can grow to.
    package func admits(limitByteCount byteCount: Int) -> Bool {
        byteCount / shardCount >= 2 * configuration.itemByteCountMax
            && byteCount / shardCount <= arena.limitByteCountMax
    }

    /// What comes into use when the limit becomes higher: bytes of the memory that outlives the map, from
    /// its beginning, in whole pages of the kernel as far as they are the region's own.
    package func bytes(between old: Int, and new: Int) -> [Range<Int>] {
        (0..<shardCount).map { arena.bytes($0, old / shardCount..<new / shardCount) }
    }

    /// Changes the memory limit; false when it is out of bounds. What is above a lower limit is
    /// evicted in turns of `maintain`, in which then the ends of the regions are left, and their pages
    /// given back to the system.
    package func setLimit(byteCount: Int) -> Bool {
        guard admits(limitByteCount: byteCount) else { return false }
        let limit = byteCount / shardCount / Region.unitByteCount * Region.unitByteCount
        // Before anything of it happens: should the process die meanwhile, the next one goes on.
        changes.withLock { _ in writeRoom(limitByteCount: limit, isSettled: false) }
        for number in 0..<shardCount { withShard(number) { $0.setLimit(byteCount: limit) } }
        settle()
        return true
    }

    package func statistics(now: UInt32) -> MapStatistics {
        var all = MapStatistics()
        for number in 0..<shardCount {
            all.add(withShard(number) { $0.statistics(now: now) })
        }
        return all
    }

    /// Items by size: the upper end of a step of 32 bytes, and how many; ascending. Empty unless the
    /// configuration asks for it.
    package func sizes() -> [(byteCount: Int, itemCount: Int)] {
        var all: [Int: Int] = [:]
        for number in 0..<shardCount {
            let sizes = withShard(number) { $0.items.sums.sizes }
            all.merge(sizes, uniquingKeysWith: +)
        }
        return all.filter { $0.value > 0 }.sorted { $0.key < $1.key }
            .map { (byteCount: $0.key * ItemSums.sizeStepByteCount, itemCount: $0.value) }
    }

    /// Shows `body` the live items of a walk's next step, with a shard's lock held. False when there
    /// is no further step.
    package func step(_ walk: inout ItemWalk, now: UInt32, _ body: (Hit) -> Void) -> Bool {
        guard walk.shard < shardCount else { return false }
        let place = walk.place
        let next = withShard(walk.shard) { shard in
            shard.enter(now: now)
            return shard.items.index.visit(from: place, atMost: ItemWalk.itemsPerStep) { item in
                guard !shard.items.isFlushed(item), !shard.items.isExpired(item, now: now)
                else { return }
                body(shard.look(at: item, now: now))
            }
        }
        walk.goOn(from: next)
        return walk.shard < shardCount
    }

    /// How much of the shards that a walk has come to is done, in shards.
    package func shardsDone(by walk: ItemWalk) -> Double {
        Double(walk.shard) + Double(walk.place) / Double(ItemIndex.walkEnd)
    }

    /// Shows `observer` every item that is evicted alive, with a shard lock held.
    package func observeEvictions(_ observer: @escaping (Hit) -> Void) {
        for number in 0..<shardCount {
            withShard(number) { $0.evictionObserver = observer }
        }
    }

    /// Tells `observer` of a shard, with its lock held, when memory that was never used will be needed
    /// there soon; `prepareMemory` makes it present. Until then, or without anybody who does, whoever
    /// comes first to a page waits for the kernel. Nothing is told of memory that is all there.
    package func observeGrowth(_ observer: @escaping (_ shard: Int) -> Void) {
        guard arena.growsByUse else { return }
        for number in 0..<shardCount {
            withShard(number) { $0.memory.observeGrowth { observer(number) } }
        }
    }

    /// Takes the kernel's time, so it is not for a thread that others wait for. Without the lock.
    package func prepareMemory(shard number: Int) {
        Arena.makePresent(withShard(number) { $0.memory.wantedPage })
    }

    /// Counts who had no room when the map's items moved to it.
    package func count(evictionsOf move: MoveReport) {
        withShard(0) { $0.items.sums.add(move.counts, lastEviction: LastEviction()) }
    }

    /// Checks everything that the map's types promise; returns the first promise of each shard that is
    /// broken, in a sentence. For tests: it takes time proportional to what is stored.
    package func brokenInvariants() -> [String] {
        (0..<shardCount).compactMap { number in
            withShard(number) { $0.brokenInvariant() }.map { "shard \(number): \($0)" }
        }
    }
}
