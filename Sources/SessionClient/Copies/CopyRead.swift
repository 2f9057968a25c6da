/// A retrieval of an item with several copies, or a new exptime for it, without any I/O.
///
///     get      look ──> repair ──> finish
///     touch    look ──all the same──> repair ──> finish
///                └──────not so──────────┴──nobody──> as get
///
/// Goals: the newest copy is the item; those that lag behind are brought up to date in passing, never over
/// something newer; an exptime that is shorter holds for copies that nobody could reach, too.
/// Not goals: knowing values, deadlines and connections.
struct CopyRead: Sendable {
    enum Goal: Equatable, Sendable { case get, touch }

    enum Step: Equatable, Sendable {
        /// Ask all nodes what they have; so many known copies are waited for.
        case look(wantsValue: Bool, needed: Int)
        case repair(CopyRepair)
        /// Delete the item, which is the one that this node has.
        case delete(place: Int)
        /// The node that has the item; nil if there is none.
        case finish(place: Int?)
        case fail(CacheError)
    }

    private var goal: Goal
    /// A new one for the item.
    private let exptime: Int32?
    private let settings: Copies
    private let nodeCount: Int
    private var place: Int?

    init(_ goal: Goal, exptime: Int32?, settings: Copies, nodeCount: Int) {
        self.goal = goal
        self.exptime = exptime
        self.settings = settings
        self.nodeCount = nodeCount
    }

    func begin() -> Step {
        .look(wantsValue: goal == .get, needed: settings.readCountMin)
    }

    /// - Parameter copies: every copy, in the order of the nodes.
    mutating func looked(_ copies: [Copy], unixSeconds now: Int64) -> Step {
        let newest: Copy
        do throws(CacheError) {
            newest = try Copy.newest(
                of: copies, needed: settings.readCountMin, nodeCount: nodeCount)
        } catch {
            return .fail(error)
        }
        if goal == .touch {
            let isEven = copies.allSatisfy { $0.version == newest.version && !$0.isDated }
            // To bring the others up to date the value is needed.
            guard newest.isLive, isEven, let exptime else { return asGet() }
            place = newest.place
            return .repair(.touching(copies, exptime: exptime))
        }
        switch newest.state {
        case .missing, .unknown: return .finish(place: nil)
        case .tombstone: return .repair(.forgetting(newest, copies))
        case .live:
            if let exptime, Expiry.isOver(exptime, unixSeconds: now) {
                return .delete(place: newest.place)
            }
            place = newest.place
            return .repair(
                .renewing(newest, copies, exptime: exptime, unixSeconds: now))
        }
    }

    /// - Parameter count: how many nodes did what they were to do.
    mutating func repaired(count: Int) -> Step {
        // None of them: it was deleted meanwhile, or it is unknown.
        if goal == .touch, count == 0 { return asGet() }
        return .finish(place: place)
    }

    func deleted(place: Int) -> Step { .finish(place: place) }

    private mutating func asGet() -> Step {
        goal = .get
        place = nil
        return begin()
    }
}
