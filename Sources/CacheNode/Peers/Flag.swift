import Synchronization

/// What any thread may set.
final class Flag: Sendable {
    let value = Atomic<Bool>(false)

    func clear() { value.store(false, ordering: .releasing) }
    func set() { value.store(true, ordering: .releasing) }
    var isSet: Bool { value.load(ordering: .acquiring) }
}
