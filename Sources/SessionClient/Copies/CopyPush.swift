/// Brings one node to a version, unless what it has is newer, without any I/O.
struct CopyPush: Sendable {
    enum Step: Equatable {
        /// Store if the node still has exactly this version, 0 for none.
        case store(over: UInt64)
        /// Somebody was there in between: see which version the node has now.
        case look
        /// Whether the node has this version now, or a later one.
        case finish(Bool)
    }

    private let version: UInt64
    private var known: UInt64
    private var attemptCount = 0

    /// - Parameter known: the version that the node had when it was last seen, 0 for none.
    init(to version: UInt64, over known: UInt64) {
        self.version = version
        self.known = known
    }

    mutating func begin() -> Step {
        guard attemptCount < Copies.attemptCountMax else { return .finish(false) }
        guard known < version else { return .finish(true) }
        attemptCount += 1
        return .store(over: known)
    }

    func stored(_ isStored: Bool) -> Step { isStored ? .finish(true) : .look }

    mutating func seen(_ version: UInt64) -> Step {
        known = version
        return begin()
    }
}
