/// For how long a key cannot be stored again once a client has deleted what was under it, and which keys.
package struct FenceRules: Equatable, Sendable {
    /// 0: nothing is fenced.
    package var seconds = 0
    /// None: all but those of locks.
    package var keys: [LockKeys] = []

    package init() {}

    package static let secondsMax = 3_600
    package static let keysCountMax = 16

    func cover(_ key: Span<UInt8>, locks: LockRules) -> Bool {
        guard seconds > 0 else { return false }
        if keys.isEmpty { return !locks.isLock(key) }
        for keys in keys where keys.match(key) { return true }
        return false
    }
}
