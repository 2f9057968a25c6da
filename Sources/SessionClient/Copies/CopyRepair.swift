/// How the copies of an item get its newest state, and a new exptime, if there is one.
///
/// What fails here is tried again by the next one who reads.
struct CopyRepair: Equatable, Sendable {
    /// What a node is to hold.
    enum Form: Equatable, Sendable {
        case plain
        /// As an item that knows when it ends.
        case dated
        /// With this time left; nil for as long as deletions are remembered.
        case tombstone(timeLeft: Duration?)
    }

    /// What is to be done to one copy.
    enum Action: Equatable, Sendable {
        /// To one that is older.
        case push(Form)
        /// To one that has this version in another form.
        case rewrite(Form)
        case touch(exptime: Int32)
    }

    struct Order: Equatable, Sendable {
        var action: Action
        /// What the node was seen to have.
        var over: UInt64
    }

    /// The newest copy's.
    var version: UInt64
    /// The node that has it.
    var place: Int
    /// Of the item in its plain form.
    var exptime: Int32 = 0
    private(set) var orders: [Int: Order] = [:]

    private init(_ newest: Copy, exptime: Int32 = 0) {
        version = newest.version ?? 0
        place = newest.place
        self.exptime = exptime
    }

    private mutating func plan(_ copies: [Copy], _ action: (Copy) -> Action?) {
        for copy in copies {
            guard let version = copy.version, let action = action(copy) else { continue }
            orders[copy.place] = Order(action: action, over: version)
        }
    }

    /// All copies are the same, and get another exptime.
    static func touching(_ copies: [Copy], exptime: Int32) -> CopyRepair {
        var repair = CopyRepair(copies[0], exptime: exptime)
        repair.plan(copies) { _ in .touch(exptime: exptime) }
        return repair
    }

    /// The newest copy is a tombstone.
    static func forgetting(_ newest: Copy, _ copies: [Copy]) -> CopyRepair {
        var repair = CopyRepair(newest)
        let form = Form.tombstone(timeLeft: newest.timeLeft)
        repair.plan(copies) { copy in
            if copy.version != newest.version { return .push(form) }
            return copy.isLive ? .rewrite(form) : nil
        }
        return repair
    }

    /// The newest copy is a live item.
    ///
    /// - Parameter exptime: a new one for it.
    static func renewing(
        _ newest: Copy, _ copies: [Copy], exptime: Int32?, unixSeconds now: Int64
    ) -> CopyRepair {
        let rest = (newest.timeLeft.map { Expiry.after($0) } ?? .never).exptime(unixSeconds: now)
        var repair = CopyRepair(newest, exptime: exptime ?? rest)
        let renewal = Renewal(
            newest, copies, exptime: exptime, plainExptime: repair.exptime, unixSeconds: now)
        repair.plan(copies) { renewal.action(for: $0) }
        return repair
    }
}

/// What is done to each copy of a live item.
private struct Renewal {
    private let version: UInt64?
    private let exptime: Int32?
    /// What `exptime` means; nil for never.
    private let newTime: Duration?
    /// All copies have the newest state.
    private let isEven: Bool
    /// What cannot be reached may live longer than what is there.
    private let mustDate: Bool
    /// In its last second an item is not worth it, and 0 would mean for ever.
    private let isEnding: Bool

    init(
        _ newest: Copy, _ copies: [Copy], exptime: Int32?, plainExptime: Int32,
        unixSeconds now: Int64
    ) {
        version = newest.version
        let isComplete = copies.allSatisfy { $0.version != nil }
        isEven = copies.allSatisfy { $0.version == newest.version }
        // A plain copy beside a dated one has missed its time.
        let exptime = exptime ?? (newest.isDated && isEven ? plainExptime : nil)
        self.exptime = exptime
        newTime = exptime.flatMap { Expiry.timeLeft(of: $0, unixSeconds: now) }
        let oldTime = newest.timeLeft ?? .seconds(Int64.max)
        let isShorter = newTime.map { $0 < oldTime } ?? false
        mustDate = !isComplete && (newest.isDated || isShorter)
        isEnding = exptime == nil && newest.timeLeft == .zero
    }

    func action(for copy: Copy) -> CopyRepair.Action? {
        if isEnding { return nil }
        if copy.version != version { return .push(mustDate ? .dated : .plain) }
        if copy.isDated {
            if isEven { return .rewrite(.plain) }
            return exptime == nil ? nil : .rewrite(.dated)
        }
        guard let exptime else { return nil }
        if mustDate { return .rewrite(.dated) }
        // Of the requests of one second the first has set it.
        if copy.isLive, copy.timeLeft == newTime { return nil }
        return .touch(exptime: exptime)
    }
}
